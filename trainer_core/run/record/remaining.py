"""How long a run still takes: its steps, the evaluations and saves between them, and its end.

Only what this attempt measured counts: another machine's speed says nothing about this one's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer_core.run.record.events import CheckpointSaved, Eval, Sample
    from trainer_core.run.record.view import RunView

SPREAD = (0.25, 0.75)
"""The range is that between these shares of the step times seen, ordered."""

LEAST_SPREAD = 0.01
"""A run is never known better than this share of its steps' time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Remaining:
    """What is left to do, each part with its measured cost; an unknown cost counts nothing."""

    steps: int
    step_seconds: float
    """Mean of this attempt's steps, its first left out."""
    low_step_seconds: float
    high_step_seconds: float
    evaluations: int
    evaluation_seconds: float
    saves: int
    save_seconds: float
    sampling_seconds: float

    @property
    def others_seconds(self) -> float:
        """Everything that is no step."""
        return (
            self.evaluations * self.evaluation_seconds
            + self.saves * self.save_seconds
            + self.sampling_seconds
        )

    @property
    def seconds(self) -> float:
        """The likeliest time until the end."""
        return self.steps * self.step_seconds + self.others_seconds

    @property
    def low_seconds(self) -> float:
        """The end is hardly nearer than this."""
        return self.steps * self.low_step_seconds + self.others_seconds

    @property
    def high_seconds(self) -> float:
        """The end is hardly further away than this."""
        return self.steps * self.high_step_seconds + self.others_seconds


def remaining(view: RunView) -> Remaining | None:
    """Return what is left of a run; None before the attempt's second step and after its end."""
    started, step = view.started, view.step
    if step is None or started is None or view.steps_seen == 0 or view.ended:
        return None
    total = started.total_steps
    mean = view.steps_seconds / view.steps_seen
    low, high = _spread(view, mean)
    over = view.training_ended is not None
    has_evals = bool(view.evals)
    return Remaining(
        steps=max(0, total - step.step),
        step_seconds=mean,
        low_step_seconds=low,
        high_step_seconds=high,
        evaluations=0 if over or not has_evals else _times(
            step.step, total, _every(started.eval_every_steps, view.evals)),
        evaluation_seconds=_cost(view.evals, view.attempt),
        saves=0 if over else _times(
            step.step, total, _every(started.checkpoint_every_steps, view.checkpoints)),
        save_seconds=_cost(view.checkpoints, view.attempt),
        sampling_seconds=0.0 if over else _cost(view.samples, view.attempt),
    )  # fmt: skip


def _spread(view: RunView, mean: float) -> tuple[float, float]:
    buckets = view.step_seconds.buckets.values()
    means = sorted(bucket.total / bucket.count for bucket in buckets)
    low, high = (means[round(share * (len(means) - 1))] if means else mean for share in SPREAD)
    return min(low, mean * (1 - LEAST_SPREAD)), max(high, mean * (1 + LEAST_SPREAD))


def _times(step: int, total: int, every: int) -> int:
    """Return how often something is still done: each `every` steps, and at the end."""
    if step >= total:
        return 1
    between = (total - 1) // every - step // every if every > 0 else 0
    return max(0, between) + 1


def _every(told: int | None, seen: Sequence[Eval | CheckpointSaved]) -> int:
    """Return the steps between two of them; from those seen where the log does not tell."""
    if told is not None:
        return told
    steps = [event.step for event in seen if event.step > 0]
    return steps[-1] - steps[-2] if len(steps) > 1 else 0


def _cost(seen: Sequence[Eval | CheckpointSaved | Sample], attempt: int) -> float:
    """Return the mean seconds of those of this attempt, else of all; 0 where there is none."""
    own = [event.seconds for event in seen if event.attempt == attempt]
    every = own or [event.seconds for event in seen]
    return sum(every) / len(every) if every else 0.0
