"""What is asked of a run from outside: signals, request files, the time limit.

Handlers only set flags. Every rank asks at step borders, and all ranks get the same answer.
"""

from __future__ import annotations

import math
import signal
import struct
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from trainer_core.engine.distributed import largest_over_ranks
from trainer_core.run.record.control import Request, answer_request, read_requests, waits_in

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)

Ending = Literal["stopped", "paused", "time_limit"]

LEEWAY = 1.25
"""Steps and saves are not all alike: the longest one so far and a quarter more is counted on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What all ranks do at this border."""

    end: Ending | None = None
    """Why the run ends here, None where it goes on."""
    save: bool = False
    learning_rate: float | None = None
    """Peak of the schedule from the next step on, None where it stays."""
    total_steps: int | None = None
    """Length of the run from now on, None where it stays."""
    peak_memory_bytes: int = 0
    """Largest of the ranks' own."""


class Wishes:
    """Collects wishes; one per rank."""

    def __init__(self, run_folder: Path, *, leads: bool, ends_at: float | None = None) -> None:
        """Make one that has heard nothing yet.

        Args:
            run_folder: Whose requests.
            leads: Whether this rank reads and answers them.
            ends_at: Monotonic time at which the last save must be over.
        """
        self._run_folder = run_folder
        self._leads = leads
        self._ends_at = ends_at
        self._signalled = False
        self._ends = False
        self._borders = 0
        self._last_border = 0.0
        self._longest_step = 0.0

    def listen(self) -> None:
        """Take signals from now on: they are remembered, nothing more."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._remember)

    def at_border(
        self,
        step: int,
        peak_memory_bytes: int | None = None,
        *,
        total_steps: int = 0,
        leaving_seconds: float = 0.0,
    ) -> Wish:
        """Return what to do; a small reduction over host memory that every rank must join.

        Args:
            step: Optimizer steps done, told to those who asked.
            peak_memory_bytes: Of this rank, so that no second reduction is needed.
            total_steps: Planned length of the run, which a wish may extend.
            leaving_seconds: What the last save will take.
        """
        stop, pause, save = self._signalled, False, False
        rate, total = 0.0, total_steps
        if self._leads:
            for request in read_requests(self._run_folder):
                stop |= request.action == "stop"
                pause |= request.action == "pause"
                save |= request.action == "save"
                settled, problem = _settled(request, total)
                rate = settled.get("learning_rate", rate)
                total = settled.get("total_steps", total)
                self._answer(request, step, settled, problem)
        late = self._is_late(leaving_seconds)
        any_stop, any_pause, any_late, any_save, rate_bits, total, peak = largest_over_ranks(
            (stop, pause, late, save, _bits(rate), total, peak_memory_bytes or 0)
        )
        end: Ending | None = "stopped" if any_stop else "paused" if any_pause else None
        if end is None and any_late:
            end = "time_limit"
        self._ends = end is not None
        return Wish(
            end=end,
            save=bool(any_save),
            learning_rate=_from_bits(rate_bits) or None,
            total_steps=total if total > total_steps else None,
            peak_memory_bytes=peak,
        )

    def pressing(self) -> bool:
        """Whether somebody wants any rank to end; every rank must ask alike, nothing is answered.

        For stretches without a border, as a long evaluation is one. Once the end is settled,
        nothing presses any more.
        """
        if self._ends:
            return False
        heard = self._signalled or (self._leads and waits_in(self._run_folder, ("stop", "pause")))
        (any_heard,) = largest_over_ranks((heard,))
        return bool(any_heard)

    def _is_late(self, leaving_seconds: float) -> bool:
        """Whether after another step the save would not be over in time."""
        now = time.monotonic()
        self._borders += 1
        # The first stretches hold compiling and what is done before training; no other one does.
        if self._borders > 3:
            self._longest_step = max(self._longest_step, now - self._last_border)
        self._last_border = now
        needed = LEEWAY * (self._longest_step + leaving_seconds)
        return self._ends_at is not None and now + needed >= self._ends_at

    def _answer(
        self, request: Request, step: int, settled: dict[str, Any], problem: str | None
    ) -> None:
        answer_request(
            self._run_folder,
            request,
            ok=problem is None,
            step=step,
            text=problem or "",
            settled=settled,
        )

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self._signalled = True


def _settled(request: Request, total_steps: int) -> tuple[dict[str, Any], str | None]:
    """Return what a request changes, and why it cannot be done where it cannot."""
    match request.action:
        case "stop" | "pause" | "save":
            return {}, None
        case "set":
            rate = request.arguments.get("learning_rate")
            if isinstance(rate, int | float) and math.isfinite(rate) and 0 < rate <= 1:
                return {"learning_rate": float(rate)}, None
            return {}, "learning_rate must be above 0 and at most 1"
        case "extend":
            more = request.arguments.get("steps")
            if isinstance(more, int) and 0 < more <= 2**40:
                return {"total_steps": total_steps + more}, None
            return {}, "give the number of steps to add, 1 or more"
        case _:
            return {}, "the run is not paused: it goes on"


def _bits(positive: float) -> int:
    """Return a number whose order is that of the float's, exactly; for sums of ranks in whole."""
    return int(struct.unpack("<q", struct.pack("<d", positive))[0])


def _from_bits(bits: int) -> float:
    return float(struct.unpack("<d", struct.pack("<q", bits))[0])
