"""Signals and requests set flags; the border answers them once, with the step."""

from __future__ import annotations

import os
import signal

import pytest

from trainer_core.engine.wishes import Wishes
from trainer_core.run.control import accept_request, new_request, take_answers


def ask(folder, action):
    request = new_request(action)
    accept_request(folder, request)
    return request


@pytest.mark.parametrize(
    ("action", "end", "save"),
    [("stop", "stopped", False), ("pause", "paused", False), ("save", None, True)],
)
def test_a_request_is_carried_out_and_answered_with_the_step(action, end, save, tmp_path):
    wishes = Wishes(tmp_path, leads=True)
    request = ask(tmp_path, action)
    wish = wishes.at_border(41)
    assert (wish.end, wish.save) == (end, save)
    (answer,) = take_answers(tmp_path)
    assert (answer.id, answer.ok, answer.step) == (request.id, True, 41)
    if action == "save":
        assert not wishes.at_border(42).save


def test_what_cannot_be_done_is_refused_with_a_sentence(tmp_path):
    wishes = Wishes(tmp_path, leads=True)
    ask(tmp_path, "extend")
    assert wishes.at_border(1).end is None
    (answer,) = take_answers(tmp_path)
    assert not answer.ok
    assert answer.text


def test_only_the_leader_reads_requests(tmp_path):
    ask(tmp_path, "stop")
    assert Wishes(tmp_path, leads=False).at_border(1).end is None
    assert Wishes(tmp_path, leads=True).at_border(1).end == "stopped"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_stops_at_the_next_border(number, tmp_path):
    before = signal.getsignal(signal.SIGUSR1)
    wishes = Wishes(tmp_path, leads=False)
    wishes.listen()
    assert wishes.at_border(1).end is None
    os.kill(os.getpid(), number)
    assert wishes.at_border(2).end == "stopped"
    signal.signal(signal.SIGUSR1, before)


def test_the_time_limit_ends_the_run_and_a_stop_goes_first(tmp_path, monkeypatch):
    from trainer_core.engine import wishes as module

    now = [50.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    wishes = Wishes(tmp_path, leads=True, time_limit_seconds=10.0)
    now[0] = 59.9
    assert wishes.at_border(1).end is None
    now[0] = 60.0
    assert wishes.at_border(2).end == "time_limit"
    ask(tmp_path, "stop")
    assert wishes.at_border(3).end == "stopped"


def test_the_time_limit_counts_from_the_first_start_of_the_ranks(tmp_path, monkeypatch):
    from trainer_core.engine import wishes as module

    monkeypatch.setattr(module.time, "monotonic", lambda: 50.0)
    for since, ended in (("40.0", True), ("45.0", False), ("nonsense", False), ("9999.0", False)):
        monkeypatch.setenv("MOAI_TUI_SINCE", since)
        wishes = Wishes(tmp_path, leads=True, time_limit_seconds=10.0)
        assert (wishes.at_border(1).end == "time_limit") is ended


def test_the_border_brings_the_largest_peak(tmp_path):
    assert Wishes(tmp_path, leads=True).at_border(1, 7 << 30).peak_memory_bytes == 7 << 30
