"""A run as one looks at it: the events of its files folded into what screens and `show` need.

Pure: feed it events in the order the reader gives them; it reads no file and no clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, Literal, TypeVar

from msgspec.structs import replace as replace_struct

from trainer_core.run.record.curve import Curve
from trainer_core.run.record.events import (
    AnyEvent,
    CheckpointSaved,
    Eval,
    MemoryProbed,
    ModelSaved,
    Notice,
    Phase,
    Queued,
    RequestAnswered,
    Restarted,
    RunEnded,
    RunStarted,
    Sample,
    StateChanged,
    Step,
    TrainingEnded,
)
from trainer_core.run.record.remaining import remaining

SMOOTHING = 0.9
"""Largest weight of the past in the smoothed loss."""

SMOOTHING_START = 20
"""After n losses the past weighs n / (n + 20), a twentieth of the steps so far: where the loss
falls steeply at first, the line does not stand above its dots."""

SMOOTHING_FULL = 180
"""From this many losses on the past has its largest weight: 180 / (180 + 20)."""

LOSS_BUCKETS = 1024
"""Twice what other curves keep: one zooms into the loss. A redraw takes 1.2 ms at a million steps
(two Zen 3 cores, 24 November 2026)."""

NOTICES_KEPT = 200
MARKS_KEPT = 1000

AtStep = TypeVar("AtStep", Eval, Sample)


MarkKind = Literal["checkpoint", "resumed", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a step, to be marked on a curve."""

    step: int
    kind: MarkKind
    text: str


@dataclass(slots=True)
class PhaseRecord:
    """One phase with its time; `seconds` is None while it lasts."""

    name: str
    started: float
    """Unix time."""
    seconds: float | None = None
    done: int | None = None
    total: int | None = None
    unit: str | None = None
    detail: str | None = None


@dataclass(slots=True)
class RunView:
    """Everything shown of one run."""

    state: str = "starting"
    state_reason: str | None = None
    waits_for: str | None = None
    attempt: int = 1
    started: RunStarted | None = None
    phases: list[PhaseRecord] = field(default_factory=list)
    """Phases of this attempt before step 1, in order."""
    phase: PhaseRecord | None = None
    """What the run does now; None once it has ended."""
    step: Step | None = None
    """Newest step."""
    loss: Curve = field(default_factory=partial(Curve, LOSS_BUCKETS))
    smoothed_loss: Curve = field(default_factory=partial(Curve, LOSS_BUCKETS))
    eval_loss: Curve = field(default_factory=Curve)
    learning_rate: Curve = field(default_factory=Curve)
    grad_norm: Curve = field(default_factory=Curve)
    tokens_per_second: Curve = field(default_factory=Curve)
    evals: list[Eval] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    checkpoints: list[CheckpointSaved] = field(default_factory=list)
    model: ModelSaved | None = None
    notices: list[Notice] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    """What happened at which step, in the order it happened."""
    answers: list[RequestAnswered] = field(default_factory=list)
    ended: RunEnded | None = None
    training_ended: TrainingEnded | None = None
    first_time: float | None = None
    """Unix time of the first event."""
    last_time: float | None = None
    first_step_time: float | None = None
    """Unix time of this attempt's first step."""
    attempt_start_time: float | None = None
    """Unix time at which this attempt got its devices and began; waiting for them left out."""
    steps_seen: int = 0
    steps_seconds: float = 0.0
    """Summed duration of this attempt's steps, its first left out (it warms up)."""
    data_seconds: float = 0.0
    """Of `steps_seconds`, waiting for data."""
    communication_seconds: float | None = None
    """Of `steps_seconds`, waiting for other ranks; None where it is not measured."""
    step_seconds: Curve = field(default_factory=Curve)
    """Duration of this attempt's steps, its first left out."""
    total_tokens: int = 0
    """Tokens of this attempt's steps, its first left out."""
    total_padded_tokens: int = 0
    peak_memory_bytes: int | None = None
    probed_memory_bytes: int | None = None
    """Peak of the longest micro-batch, measured before step 1."""
    newest_smoothed: float = 0.0
    smoothed_losses: int = 0
    """Losses that `newest_smoothed` stands on."""

    def apply_all(self, events: Iterable[AnyEvent]) -> None:
        """Fold many events in: the same as each alone, at a tenth of the cost for steps."""
        steps: list[Step] = []
        last, attempt = 0, 0
        for event in events:  # no calls in here: they were half of the time of a long run
            if type(event) is Step:
                if event.step <= last or event.attempt != attempt:
                    self._apply_steps(steps)
                    steps, attempt = [], event.attempt
                last = event.step
                steps.append(event)
            else:
                self._apply_steps(steps)
                steps = []
                self.apply(event)
        self._apply_steps(steps)

    def apply(self, event: AnyEvent) -> None:
        """Fold one event in."""
        self.first_time = event.time if self.first_time is None else self.first_time
        self.last_time = event.time
        if event.attempt > self.attempt:
            self._new_attempt(event.attempt)
        if self.attempt_start_time is None:
            self.attempt_start_time = event.time
        match event:
            case Step():
                self._apply_step(event)
            case Phase():
                self._apply_phase(event)
            case Eval():
                self.evals = _before(self.evals, event.step)
                self.evals.append(event)
                self.eval_loss.append(event.step, float(event.eval_loss))
            case Sample():
                self.samples = _before(self.samples, event.step)
                self.samples.append(event)
            case _:
                self._apply_rest(event)

    def _apply_rest(self, event: AnyEvent) -> None:
        match event:
            case RunStarted():
                self.started = event
                if event.resumed_from_step is not None:
                    self._resume_from(event.resumed_from_step)
            case CheckpointSaved():
                self.checkpoints.append(event)
                self._mark(event.step, "checkpoint", event.path)
            case ModelSaved():
                self.model = event
            case MemoryProbed():
                self.probed_memory_bytes = event.probed_memory_bytes
            case Notice():
                self._apply_notice(event)
            case RequestAnswered():
                self._apply_answer(event)
            case TrainingEnded():
                self.training_ended = event
                self._close_phase(event.time)
            case _:
                self._apply_supervisor(event)

    def _apply_answer(self, event: RequestAnswered) -> None:
        self.answers.append(event)
        total = event.settled.get("total_steps")
        if self.started is not None and isinstance(total, int):
            self.started = replace_struct(self.started, total_steps=total)

    def _apply_notice(self, event: Notice) -> None:
        self.notices = [*self.notices[-NOTICES_KEPT + 1 :], event]
        if event.level != "info":
            step = self.step.step if self.step else 0
            self._mark(step, event.level, event.text)

    def _mark(self, step: int, kind: MarkKind, text: str) -> None:
        self.marks = [*self.marks[-MARKS_KEPT + 1 :], Mark(step, kind, text)]

    def _apply_supervisor(self, event: AnyEvent) -> None:
        match event:
            case Queued():
                self.state, self.waits_for = "queued", event.waits_for
            case StateChanged():
                self.state, self.state_reason = event.state, event.reason
                if event.state == "starting":
                    self.attempt_start_time = event.time
            case RunEnded():
                self.ended, self.state, self.state_reason = event, event.state, event.reason
                self._close_phase(event.time)
            case Restarted():
                self.ended = None
            case _:
                return

    def _new_attempt(self, attempt: int) -> None:
        self.attempt = attempt
        self.phases, self.phase, self.ended, self.training_ended = [], None, None, None
        self.first_step_time = None
        self.attempt_start_time = None
        self.steps_seen, self.steps_seconds = 0, 0.0
        self.data_seconds, self.communication_seconds = 0.0, None
        self.step_seconds = Curve()
        self.total_tokens, self.total_padded_tokens = 0, 0

    def _resume_from(self, step: int) -> None:
        """Forget what an earlier attempt did beyond the checkpoint this one goes on from."""
        self._mark(step, "resumed", f"attempt {self.attempt}")
        self.evals = [seen for seen in self.evals if seen.step <= step]
        self.samples = [seen for seen in self.samples if seen.step <= step]
        if self.eval_loss.last_step is not None and self.eval_loss.last_step > step:
            self.eval_loss = Curve(self.eval_loss.capacity)
            for seen in self.evals:
                self.eval_loss.append(seen.step, float(seen.eval_loss))
        before = self.smoothed_loss.nearest(step)
        if before is not None:
            self.newest_smoothed = before.total / before.count

    def _apply_step(self, event: Step) -> None:
        if self.first_step_time is None:
            self.first_step_time = event.time
        else:
            self.steps_seen += 1
            self.steps_seconds += event.step_seconds
            self.data_seconds += event.data_seconds
            if event.communication_seconds is not None:
                known = self.communication_seconds or 0.0
                self.communication_seconds = known + event.communication_seconds
            self.step_seconds.append(event.step, event.step_seconds)
            self.total_tokens += event.tokens
            self.total_padded_tokens += event.padded_tokens
        self.step = event
        loss = float(event.train_loss)
        self.loss.append(event.step, loss)
        if math.isfinite(loss):
            self.smoothed_loss.append(event.step, self._smoothed([loss])[0])
        self.learning_rate.append(event.step, event.learning_rate)
        if event.grad_norm is not None:
            self.grad_norm.append(event.step, float(event.grad_norm))
        if event.tokens_per_second is not None:
            self.tokens_per_second.append(event.step, event.tokens_per_second)
        if event.peak_memory_bytes is not None:
            self.peak_memory_bytes = max(self.peak_memory_bytes or 0, event.peak_memory_bytes)

    def _apply_steps(self, steps: Sequence[Step]) -> None:
        """Fold in steps of one attempt that rise."""
        if len(steps) > 1:
            self.apply(steps[0])  # it may begin an attempt or go back to an earlier step
            self._apply_rising(steps[1:])
        else:
            for event in steps:
                self.apply(event)

    def _apply_rising(self, steps: Sequence[Step]) -> None:
        losses: list[Any] = [event.train_loss for event in steps]
        norms: list[Any] = [event.grad_norm for event in steps]
        rates: list[Any] = [event.tokens_per_second for event in steps]
        if not all(map(_is_plain, (losses, norms, rates))):
            for event in steps:
                self.apply(event)
            return
        numbers = [event.step for event in steps]
        self.loss.extend(numbers, losses)
        self.smoothed_loss.extend(numbers, self._smoothed(losses))
        self.learning_rate.extend(numbers, [event.learning_rate for event in steps])
        self.grad_norm.extend(numbers, norms)
        self.tokens_per_second.extend(numbers, rates)
        self.steps_seen += len(steps)
        seconds = [event.step_seconds for event in steps]
        self.step_seconds.extend(numbers, seconds)
        self.steps_seconds += sum(seconds)
        self.data_seconds += sum([event.data_seconds for event in steps])
        exchanged = [event.communication_seconds for event in steps]
        if any(part is not None for part in exchanged):
            known = self.communication_seconds or 0.0
            self.communication_seconds = known + sum([part or 0.0 for part in exchanged])
        self.total_tokens += sum([event.tokens for event in steps])
        self.total_padded_tokens += sum([event.padded_tokens for event in steps])
        peaks = [event.peak_memory_bytes or 0 for event in steps]
        self.peak_memory_bytes = max([self.peak_memory_bytes or 0, *peaks]) or None
        self.step, self.last_time = steps[-1], steps[-1].time

    def _smoothed(self, losses: Sequence[float]) -> list[float]:
        """Return the smoothed loss after each of these, and remember the last."""
        smooth, seen = self.newest_smoothed, self.smoothed_losses
        smoothed = []
        for loss in losses:
            past = SMOOTHING if seen >= SMOOTHING_FULL else seen / (seen + SMOOTHING_START)
            smooth = past * smooth + (1 - past) * loss
            smoothed.append(smooth)
            seen += 1
        self.newest_smoothed, self.smoothed_losses = smooth, seen
        return smoothed

    def _apply_phase(self, event: Phase) -> None:
        if self.phase is None or self.phase.name != event.name:
            self._close_phase(event.time)
            self.phase = PhaseRecord(name=event.name, started=event.time)
            if self.first_step_time is None and event.name != "training":
                self.phases.append(self.phase)
        phase = self.phase
        phase.done, phase.total, phase.unit = event.done, event.total, event.unit
        phase.detail = event.detail
        if event.finished:
            self._close_phase(event.time)

    def _close_phase(self, now: float) -> None:
        if self.phase is not None and self.phase.seconds is None:
            self.phase.seconds = max(0.0, now - self.phase.started)
        self.phase = None

    def snapshot(self) -> RunView:
        """Return a copy that later events leave alone, cheap enough for every repaint."""
        copies: dict[str, Any] = {}
        for part in fields(self):
            value = getattr(self, part.name)
            if isinstance(value, Curve):
                copies[part.name] = value.snapshot()
            elif isinstance(value, list):
                copies[part.name] = list(value)
        copies["phases"] = [replace(phase) for phase in self.phases]
        copies["phase"] = replace(self.phase) if self.phase is not None else None
        return replace(self, **copies)

    @property
    def mean_tokens_per_second(self) -> float | None:
        """Tokens without padding over whole steps of this attempt, its first step apart."""
        return self.total_tokens / self.steps_seconds if self.steps_seconds > 0 else None

    @property
    def mean_padded_tokens_per_second(self) -> float | None:
        """The same with padding, to compare with the platform's tutorial."""
        return self.total_padded_tokens / self.steps_seconds if self.steps_seconds > 0 else None

    @property
    def eta_seconds(self) -> float | None:
        """Seconds until the run ends, evaluations and saves counted; None before step 2."""
        left = remaining(self)
        return left.seconds if left is not None else None


def _before(seen: list[AtStep], step: int) -> list[AtStep]:
    """Return what was seen before a step; a resumed run evaluates some of them again."""
    return (
        [event for event in seen if event.step < step] if seen and seen[-1].step >= step else seen
    )


def _is_plain(values: Sequence[Any]) -> bool:
    """Whether every value is a finite float: no string, no None."""
    return set(map(type, values)) == {float} and all(map(math.isfinite, values))
