"""A rank's log for people: what it does now, how long that took, and steps now and then."""

from __future__ import annotations

import select
import sys
import time

from trainer_core.run.record.events import (
    CheckpointSaved,
    Eval,
    Event,
    MemoryProbed,
    ModelSaved,
    Notice,
    Phase,
    RunStarted,
    Step,
    TrainingEnded,
)

STEP_SECONDS = 1.0
"""Shortest time between two lines of steps."""
SHORT_RUN = 30
"""A run of at most so many steps has a line for each."""

LINE_LENGTH = 1000


class RunLog:
    """Says on stdout what the events say; the supervisor keeps it in `logs/rank-N.log`.

    A reader that does not keep up costs lines, never time.
    """

    def __init__(self) -> None:
        self._phase: str | None = None
        self._since = time.monotonic()
        self._total = 0
        self._told = -STEP_SECONDS

    def event(self, event: Event) -> None:
        """Write the line of an event, if it has one."""
        if isinstance(event, Phase):
            self._turn_to(event.name)
            return
        line = self._step_line(event) if isinstance(event, Step) else self._line(event)
        if line:
            say(line)

    def _turn_to(self, name: str | None) -> None:
        """Say how long the last phase took and what comes now."""
        if name == self._phase:
            return
        now = time.monotonic()
        if self._phase not in (None, "training"):
            say(f"{self._phase}: {now - self._since:.1f} s")
        self._phase, self._since = name, now

    def _step_line(self, event: Step) -> str:
        now = time.monotonic()
        always = event.step in (1, self._total) or self._total <= SHORT_RUN
        if not always and now - self._told < STEP_SECONDS:
            return ""
        self._told = now
        speed = f"  {event.tokens_per_second:,.0f} tokens/s" if event.tokens_per_second else ""
        return (
            f"step {event.step}/{self._total}  loss {float(event.train_loss):.4f}  "
            f"lr {event.learning_rate:.3g}{speed}"
        )

    def _line(self, event: Event) -> str:  # noqa: PLR0911 - one line for each type
        match event:
            case RunStarted():
                self._total = event.total_steps
                start = f", from step {event.resumed_from_step}" if event.resumed_from_step else ""
                return (
                    f"{event.model} on {event.dataset}: {event.parameters:,} parameters, "
                    f"{event.total_steps} steps{start}; {event.plan}"
                )
            case MemoryProbed():
                return f"memory: {_mib(event.probed_memory_bytes)} on the longest micro-batch, " + (
                    f"{_mib(event.predicted_memory_bytes)} predicted"
                )
            case Eval():
                return f"step {event.step}  eval loss {float(event.eval_loss):.4f}  " + (
                    f"{event.seconds:.1f} s"
                )
            case CheckpointSaved() | ModelSaved():
                return f"step {event.step}  saved {event.path}  {_mib(event.bytes)}  " + (
                    f"{event.seconds:.1f} s"
                )
            case Notice():
                return f"{event.level}: {event.text} {event.fix or ''}".rstrip()
            case TrainingEnded():
                self._turn_to(None)
                return f"ended at step {event.step}: {event.reason}"
            case _:
                return ""


def say(line: str) -> None:
    """Write one line to stdout, or leave it out where nobody takes it in."""
    try:
        if select.select([], [sys.stdout], [], 0)[1]:
            # A pipe that is ready takes 4 KiB without waiting.
            sys.stdout.write(f"{line[:LINE_LENGTH]}\n")
            sys.stdout.flush()
    except (OSError, ValueError):
        return  # closed, or the supervisor is gone: training goes on


def _mib(size_bytes: int | None) -> str:
    return "unknown" if size_bytes is None else f"{size_bytes / 2**20:,.1f} MiB"
