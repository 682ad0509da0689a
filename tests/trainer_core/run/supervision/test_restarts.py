from __future__ import annotations

from trainer_core.run.supervision.outcome import Outcome
from trainer_core.run.supervision.restarts import BACK_OFF_SECONDS, RESTARTS, Restarts

KILLED = Outcome("failed", 1, "rank 1 was killed", retry=True)
RAISED = Outcome("failed", 1, "ValueError: no", retry=True, exception=True)


def test_a_run_that_gets_nowhere_ends_after_a_few_restarts_with_back_off() -> None:
    restarts = Restarts()
    pauses = [restarts.pause_before_next(KILLED, step=3, checkpoint=None) for _ in range(5)]
    assert pauses[:RESTARTS] == list(BACK_OFF_SECONDS)
    assert pauses[RESTARTS:] == [None, None]
    assert restarts.in_words(KILLED) == "rank 1 was killed (after 3 restarts)"


def test_a_new_checkpoint_begins_the_count_anew() -> None:
    restarts = Restarts()
    for checkpoint in range(10, 200, 10):
        assert restarts.pause_before_next(KILLED, step=1, checkpoint=checkpoint) == 2.0
    assert restarts.pause_before_next(KILLED, step=1, checkpoint=190) == 10.0


def test_an_exception_at_the_same_step_again_is_met_for_ever() -> None:
    restarts = Restarts()
    assert restarts.pause_before_next(RAISED, step=7, checkpoint=5) == 2.0
    assert restarts.pause_before_next(RAISED, step=8, checkpoint=5) == 10.0
    assert restarts.pause_before_next(RAISED, step=8, checkpoint=5) is None
    assert restarts.in_words(RAISED) == "ValueError: no (after 2 restarts)"


def test_an_exception_before_any_step_is_not_tried_again() -> None:
    restarts = Restarts()
    assert restarts.pause_before_next(RAISED, step=None, checkpoint=None) is None
    assert restarts.in_words(RAISED) == "ValueError: no"


def test_what_the_user_must_mend_is_not_tried_again() -> None:
    mistake = Outcome("failed", 2, "no card; install it")
    assert Restarts().pause_before_next(mistake, step=9, checkpoint=5) is None
