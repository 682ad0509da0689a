"""What is asked of a run from outside: signals, request files, the time limit.

Handlers only set flags. Every rank asks at step borders, and all ranks get the same answer.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Literal

from trainer_core.engine.distributed import largest_over_ranks
from trainer_core.run.control import Request, answer_request, read_requests
from trainer_core.run.identity import SINCE_VARIABLE

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)

Ending = Literal["stopped", "paused", "time_limit"]

_NOT_YET = "this version cannot do that while a run lasts"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What all ranks do at this border."""

    end: Ending | None = None
    """Why the run ends here, None where it goes on."""
    save: bool = False
    peak_memory_bytes: int = 0
    """Largest of the ranks' own."""


class Wishes:
    """Collects wishes; one per rank."""

    def __init__(
        self, run_folder: Path, *, leads: bool, time_limit_seconds: float | None = None
    ) -> None:
        self._run_folder = run_folder
        self._leads = leads
        self._ends_at = None if time_limit_seconds is None else _began() + time_limit_seconds
        self._signalled = False

    def listen(self) -> None:
        """Take signals from now on: they are remembered, nothing more."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._remember)

    def at_border(self, step: int, peak_memory_bytes: int | None = None) -> Wish:
        """Return what to do; a small reduction over host memory that every rank must join.

        Args:
            step: Optimizer steps done, told to those who asked.
            peak_memory_bytes: Of this rank, so that no second reduction is needed.
        """
        stop, pause, save = self._signalled, False, False
        if self._leads:
            for request in read_requests(self._run_folder):
                stop |= request.action == "stop"
                pause |= request.action == "pause"
                save |= request.action == "save"
                self._answer(request, step)
        late = self._ends_at is not None and time.monotonic() >= self._ends_at
        any_stop, any_pause, any_late, any_save, peak = largest_over_ranks(
            (stop, pause, late, save, peak_memory_bytes or 0)
        )
        end: Ending | None = "stopped" if any_stop else "paused" if any_pause else None
        if end is None and any_late:
            end = "time_limit"
        return Wish(end=end, save=bool(any_save), peak_memory_bytes=peak)

    def _answer(self, request: Request, step: int) -> None:
        known = request.action in ("stop", "pause", "save")
        answer_request(
            self._run_folder, request, ok=known, step=step, text="" if known else _NOT_YET
        )

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self._signalled = True


def _began() -> float:
    """Return the monotonic time at which the supervisor first started ranks, else now."""
    now = time.monotonic()
    try:
        since = float(os.environ.get(SINCE_VARIABLE, ""))
    except ValueError:
        return now
    return since if since <= now else now
