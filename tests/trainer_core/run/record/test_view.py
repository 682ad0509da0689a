"""Events folded into what screens and `show` need."""

from __future__ import annotations

from dataclasses import fields

import pytest

from tests.run_events import run_started
from trainer_core.run.record.curve import Curve
from trainer_core.run.record.events import (
    CheckpointSaved,
    Eval,
    Event,
    MemoryProbed,
    Notice,
    Phase,
    Queued,
    RequestAnswered,
    Restarted,
    RunEnded,
    Sample,
    SamplePair,
    StateChanged,
    Step,
    TrainingEnded,
)
from trainer_core.run.record.view import MARKS_KEPT, NOTICES_KEPT, RunView


def step(number: int, time: float = 0.0, attempt: int = 1, **changes: object) -> Step:
    facts: dict[str, object] = {
        "step": number, "epoch": 0.1, "train_loss": 3.0, "learning_rate": 1e-3, "tokens": 100,
        "padded_tokens": 160, "step_seconds": 0.5, "time": time, "attempt": attempt,
    }  # fmt: skip
    return Step(**(facts | changes))  # type: ignore[arg-type]


def view_of(*events: Event) -> RunView:
    view = RunView()
    for event in events:
        view.apply(event)  # type: ignore[arg-type]
    return view


def test_phases_before_step_1_are_kept_with_their_times() -> None:
    view = view_of(
        Phase(name="tokenizing", total=10, unit="rows", time=1.0),
        Phase(name="tokenizing", done=4, total=10, unit="rows", time=2.0),
        Phase(name="loading", time=4.0),
        Phase(name="loading", finished=True, time=5.5),
        Phase(name="training", time=5.5),
        step(1, 6.0),
        Phase(name="saving", time=7.0),
    )
    assert [(phase.name, phase.seconds) for phase in view.phases] == [
        ("tokenizing", 3.0), ("loading", 1.5),
    ]  # fmt: skip
    assert view.phases[0].done == 4
    assert view.phase is not None
    assert (view.phase.name, view.phase.seconds) == ("saving", None)


def test_speed_leaves_the_first_step_out() -> None:
    view = view_of(
        run_started(), step(1, 1.0, tokens=1, step_seconds=60.0), step(2, 2.0), step(3, 3.0)
    )
    assert view.mean_tokens_per_second == pytest.approx(200.0)
    assert view.mean_padded_tokens_per_second == pytest.approx(320.0)
    assert view.eta_seconds == pytest.approx(7 * 0.5)


def test_unknown_before_the_second_step() -> None:
    view = view_of(run_started(), step(1))
    assert view.mean_tokens_per_second is None
    assert view.eta_seconds is None


def test_the_smoothed_loss_follows_a_short_run_and_calms_a_long_one() -> None:
    short = view_of(*(step(number, train_loss=8.0 - number) for number in range(1, 7)))
    assert short.smoothed_loss.last_value == pytest.approx(3.0, abs=1.2)
    long = view_of(*(step(number, train_loss=3.0 + number % 2) for number in range(1, 301)))
    assert long.smoothed_loss.last_value == pytest.approx(3.5, abs=0.06)


def test_the_smoothed_loss_starts_with_the_first_one() -> None:
    view = view_of(step(1, train_loss=8.0))
    assert view.smoothed_loss.last_value == pytest.approx(8.0)
    for number in range(2, 200):
        view.apply(step(number, train_loss=2.0))
    assert view.smoothed_loss.last_value == pytest.approx(2.0, abs=1e-3)


def test_a_loss_that_is_not_a_number_does_not_spoil_the_smoothed_one() -> None:
    view = view_of(step(1, train_loss=4.0), step(2, train_loss="nan"), step(3, train_loss="inf"),
                   step(4, train_loss=4.0))  # fmt: skip
    assert view.smoothed_loss.last_value == pytest.approx(4.0)
    assert view.loss.last_value == 4.0


def test_checkpoints_and_warnings_are_marked_at_their_step() -> None:
    view = view_of(
        Notice(level="warning", text="early"),
        step(1), step(2),
        CheckpointSaved(step=2, path="checkpoints/step-2", bytes=1, seconds=0.1),
        Notice(level="error", text="late"),
        Notice(level="info", text="no mark"),
    )  # fmt: skip
    assert [(mark.step, mark.kind) for mark in view.marks] == [
        (0, "warning"), (2, "checkpoint"), (2, "error"),
    ]  # fmt: skip


def test_marks_and_notices_are_bounded() -> None:
    view = view_of(*(Notice(level="warning", text=str(n)) for n in range(MARKS_KEPT + 50)))
    assert len(view.marks) == MARKS_KEPT
    assert len(view.notices) == NOTICES_KEPT
    assert view.notices[-1].text == str(MARKS_KEPT + 49)


def test_a_resumed_run_goes_on_from_its_checkpoint() -> None:
    pair = (SamplePair(prompt="p", text="t"),)
    first = [step(number, float(number)) for number in range(1, 9)]
    view = view_of(
        run_started(),
        Eval(step=0, eval_loss=5.0, eval_tokens=1), Sample(step=0, samples=pair),
        *first,
        Eval(step=8, eval_loss=2.0, eval_tokens=1), Sample(step=8, samples=pair),
        TrainingEnded(step=8, reason="failed"), RunEnded(state="failed", exit_code=1),
        Restarted(from_step=4, attempt=2),
        run_started(attempt=2, resumed_from_step=4, time=100.0),
    )  # fmt: skip
    assert [seen.step for seen in view.evals] == [0]
    assert view.eval_loss.last_step == 0
    assert [seen.step for seen in view.samples] == [0]
    assert [(mark.step, mark.kind) for mark in view.marks] == [(4, "resumed")]
    assert (view.ended, view.training_ended) == (None, None)
    view.apply(step(5, 101.0, attempt=2, train_loss=1.0))
    assert view.loss.last_step == 5
    assert [middle for middle, _ in view.loss.points()] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert view.mean_tokens_per_second is None
    assert view.smoothed_loss.last_value == pytest.approx((8 * 3.0 + 20 * 1.0) / 28)


def test_states_and_what_they_carry() -> None:
    view = view_of(Queued(waits_for="bob", time=1.0))
    assert (view.state, view.waits_for) == ("queued", "bob")
    view.apply(StateChanged(state="starting", time=9.0))
    assert view.attempt_start_time == 9.0
    view.apply(RunEnded(state="failed", exit_code=1, reason="out of memory"))
    assert (view.state, view.state_reason) == ("failed", "out of memory")
    assert view.eta_seconds is None


def test_the_peak_is_the_largest_seen() -> None:
    view = view_of(step(1, peak_memory_bytes=5), step(2, peak_memory_bytes=3), step(3))
    assert view.peak_memory_bytes == 5


def test_a_snapshot_is_left_alone_by_later_events() -> None:
    view = view_of(run_started(), Phase(name="loading", time=1.0), step(1))
    copy = view.snapshot()
    view.apply(Phase(name="loading", finished=True, time=9.0))
    view.apply(step(2))
    view.apply(Eval(step=2, eval_loss=1.0, eval_tokens=1))
    assert copy.step is not None
    assert copy.step.step == 1
    assert copy.evals == []
    assert copy.phases[0].seconds is None
    assert copy.loss.last_step == 1


def test_the_probed_peak_is_kept() -> None:
    assert view_of(run_started()).probed_memory_bytes is None
    view = view_of(
        run_started(), MemoryProbed(probed_memory_bytes=900, predicted_memory_bytes=1000)
    )
    assert view.probed_memory_bytes == 900


def test_an_extended_run_has_its_new_length() -> None:
    answer = RequestAnswered(
        request_id="1", action="extend", ok=True, step=2, settled={"total_steps": 30}
    )
    view = view_of(run_started(), step(1), step(2), answer)
    assert view.started is not None
    assert view.started.total_steps == 30
    assert view.eta_seconds == pytest.approx(28 * 0.5)


def test_many_at_once_are_the_same_as_one_by_one() -> None:
    """Restarts, overlapping steps, losses that are no number, events between the steps."""
    whole: dict[str, object] = {"grad_norm": 1.0, "tokens_per_second": 200.0}
    events: list[Event] = [run_started(), step(1, 1.0)]
    events += [
        step(number, float(number), train_loss=number % 7 / 3, **whole) for number in range(2, 90)
    ]
    events += [
        step(90, 90.0, train_loss="nan", **whole),
        step(91, 91.0, peak_memory_bytes=7, **whole),
    ]
    events += [
        Eval(step=91, eval_loss=2.0, eval_tokens=1, time=91.5),
        CheckpointSaved(step=91, path="c", bytes=1, seconds=0.1),
    ]
    events += [step(number, float(number), **whole) for number in range(92, 120)]
    events += [Eval(step=110, eval_loss=2.0, eval_tokens=1, time=91.5, attempt=1)]
    events += [
        Restarted(from_step=91, attempt=2, time=130.0),
        run_started(resumed_from_step=91, attempt=2),
    ]
    events += [step(number, 100.0 + number, attempt=2, **whole) for number in range(92, 700)]
    single, many = view_of(*events), RunView()
    many.apply_all(events)  # type: ignore[arg-type]
    for part in fields(RunView):
        one, other = getattr(single, part.name), getattr(many, part.name)
        if isinstance(one, Curve):
            assert one.points()[-1][1].last == pytest.approx(other.points()[-1][1].last), part.name
            one, other = ([p[1].count for p in curve.points()] for curve in (one, other))
        same = pytest.approx(other) if isinstance(one, float) else other
        assert one == same, part.name
