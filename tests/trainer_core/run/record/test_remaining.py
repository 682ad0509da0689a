from __future__ import annotations

import pytest

from tests.run_events import run_started
from trainer_core.run.record.events import (
    AnyEvent,
    CheckpointSaved,
    Eval,
    RunEnded,
    RunStarted,
    Sample,
    Step,
)
from trainer_core.run.record.remaining import remaining
from trainer_core.run.record.view import RunView


def started(total: int = 100, **fields: int | None) -> RunStarted:
    return run_started(total_steps=total, **fields)


def step(number: int, seconds: float = 2.0, attempt: int = 1) -> Step:
    return Step(
        step=number, epoch=0.1, train_loss=2.0, learning_rate=1e-3, step_seconds=seconds,
        attempt=attempt,
    )  # fmt: skip


def view_of(*events: AnyEvent) -> RunView:
    view = RunView()
    view.apply_all(events)
    return view


def evaluation(at: int, seconds: float, attempt: int = 1) -> Eval:
    return Eval(step=at, eval_loss=2.0, eval_tokens=1, seconds=seconds, attempt=attempt)


def saved(at: int, seconds: float) -> CheckpointSaved:
    return CheckpointSaved(step=at, path="p", bytes=1, seconds=seconds)


def test_nothing_is_said_before_the_second_step_and_after_the_end() -> None:
    assert remaining(view_of(started())) is None
    assert remaining(view_of(started(), step(1))) is None
    over = view_of(started(), step(1), step(2), RunEnded(state="stopped", exit_code=0))
    assert remaining(over) is None


def test_evaluations_saves_and_the_last_sample_are_counted() -> None:
    view = view_of(
        started(eval_every_steps=25, checkpoint_every_steps=50),
        evaluation(0, 10.0),
        Sample(step=0, samples=(), seconds=3.0),
        *(step(number) for number in range(1, 31)),
        evaluation(25, 20.0),
    )
    left = remaining(view)
    assert left is not None
    assert (left.steps, left.evaluations, left.saves) == (70, 3, 2), "50, 75 and the end"
    assert left.seconds == pytest.approx(70 * 2.0 + 3 * 15.0 + 0.0 + 3.0)
    view.apply(saved(50, 4.0))
    assert remaining(view).save_seconds == 4.0  # type: ignore[union-attr]


def test_a_log_that_does_not_tell_how_often_is_read_from_what_was_seen() -> None:
    view = view_of(
        started(), evaluation(0, 1.0),
        *(step(number) for number in range(1, 22)), evaluation(10, 1.0), evaluation(20, 1.0),
    )  # fmt: skip
    left = remaining(view)
    assert left is not None
    assert left.evaluations == 8, "30 to 90, and the end"


def test_the_range_is_that_of_the_steps_seen_and_never_nothing() -> None:
    steady = remaining(view_of(started(), *(step(number) for number in range(1, 21))))
    assert steady is not None
    assert steady.low_seconds == pytest.approx(0.99 * steady.seconds)
    assert steady.high_seconds == pytest.approx(1.01 * steady.seconds)
    uneven = [step(number, 1.0 if number % 2 else 3.0) for number in range(1, 21)]
    left = remaining(view_of(started(), *uneven))
    assert left is not None
    assert (left.low_step_seconds, left.high_step_seconds) == (1.0, 3.0)


def test_after_a_resume_only_the_new_attempt_counts() -> None:
    view = view_of(
        started(), evaluation(0, 50.0), *(step(number, 9.0) for number in range(1, 51)),
        started(resumed_from_step=40, attempt=2),
        *(step(number, 1.0, attempt=2) for number in range(41, 61)),
        evaluation(60, 2.0, attempt=2),
    )  # fmt: skip
    left = remaining(view)
    assert left is not None
    assert left.step_seconds == 1.0
    assert left.high_step_seconds == pytest.approx(1.01)
    assert left.evaluation_seconds == 2.0
