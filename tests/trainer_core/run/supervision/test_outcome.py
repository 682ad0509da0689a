from __future__ import annotations

from typing import Literal

import pytest

from trainer_core.run.record.events import TrainingEnded
from trainer_core.run.supervision.outcome import Death, outcome_of

Reason = Literal["finished", "stopped", "paused", "failed", "time_limit"]


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("finished", "finished"),
        ("stopped", "stopped"),
        ("paused", "paused"),
        ("time_limit", "stopped"),
    ],
)
def test_the_last_word_of_rank_0_is_believed(reason: Reason, state: str) -> None:
    outcome = outcome_of([0, 0], TrainingEnded(step=1, reason=reason), [], stopping=None)
    assert (outcome.state, outcome.exit_code, outcome.retry) == (state, 0, False)


def test_a_failure_with_its_mending_is_not_tried_again() -> None:
    word = TrainingEnded(step=0, reason="failed", error="no card", fix="install it", exit_code=2)
    outcome = outcome_of([2], word, [Death("x", 2)], stopping=None)
    assert (outcome.state, outcome.exit_code) == ("failed", 2)
    assert outcome.reason == "no card; install it"
    assert not outcome.retry


def test_the_way_out_is_not_said_twice() -> None:
    word = TrainingEnded(
        step=0, reason="failed", error="a.csv: no card; install it", fix="install it", exit_code=2
    )
    outcome = outcome_of([2], word, [], stopping=None)
    assert outcome.reason == "a.csv: no card; install it"


def test_a_death_by_signal_is_tried_again_and_named_before_its_echo() -> None:
    deaths = [Death("connection closed by peer", 1), Death("rank 1 was killed", -9)]
    word = TrainingEnded(step=5, reason="failed", error="connection closed by peer", exit_code=1)
    outcome = outcome_of([1, -9], word, deaths, stopping=None)
    assert outcome.retry
    assert outcome.reason == "rank 1 was killed"


def test_an_exception_without_a_way_out_is_tried_again() -> None:
    outcome = outcome_of([1, 0], None, [Death("ValueError: no", 1)], stopping=None)
    assert (outcome.state, outcome.exit_code) == ("failed", 1)
    assert outcome.retry
    assert outcome.exception
    word = TrainingEnded(step=5, reason="failed", error="NaN", fix="lower it", exit_code=1)
    assert not outcome_of([1], word, [Death("NaN", 1)], stopping=None).retry


def test_the_cause_is_the_rank_that_raised_and_not_the_one_that_lost_it() -> None:
    echo = "RuntimeError: [gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]"
    word = TrainingEnded(step=5, reason="failed", error=echo, exit_code=1)
    deaths = [Death(echo, 1), Death("ValueError: row 7", 1)]
    assert outcome_of([1, 1], word, deaths, stopping=None).reason == "ValueError: row 7"
    assert outcome_of([1, 1], None, deaths, stopping=None).reason == "ValueError: row 7"
    assert outcome_of([1, 1], word, deaths[:1], stopping=None).reason == echo


def test_a_mistake_of_the_user_without_a_last_word() -> None:
    assert outcome_of([2], None, [Death("bad", 2)], stopping=None).exit_code == 2


def test_finished_needs_every_rank() -> None:
    word = TrainingEnded(step=9, reason="finished")
    assert outcome_of([0, 1], word, [Death("KeyError", 1)], stopping=None).state == "failed"


def test_a_stop_that_had_to_be_forced_is_still_a_stop() -> None:
    outcome = outcome_of([-15, -9], None, [], stopping="stopped")
    assert (outcome.state, outcome.exit_code, outcome.forced) == ("stopped", 0, True)
    assert outcome_of([-9], None, [], stopping="paused").state == "paused"


def test_silence_is_a_failure() -> None:
    assert outcome_of([0], None, [], stopping=None).state == "failed"
    assert outcome_of([None], None, [], stopping="stopped").state == "failed"
