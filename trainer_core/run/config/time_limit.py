"""When a run must be over: its time limit, or the end of the batch job it runs in."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from trainer_core.machine_settings import SAYS_WHO, machine_settings
from trainer_core.run.config.check import parse_time_limit

ENDS_VARIABLE = "MOAI_TUI_ENDS_AT"
"""Environment of a rank: monotonic time at which its last save must be over."""

JOB_END_SECONDS = 20.0
"""Processes must be gone before Slurm sends its own signals."""
SAVE_BYTES_PER_SECOND = 150e6
"""Hashing and flushing what was written, on a slow disk; taken until a save was measured."""
START_SECONDS = 30.0
"""From the start of the ranks to step 1, where nobody has measured it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deadline:
    """A moment and where it comes from."""

    at: float
    """Monotonic seconds of this boot."""
    words: str
    """What is over then, e.g. `the time limit of 1h50m`."""


def deadline(
    time_limit: str | None, since: float, environ: Mapping[str, str] | None = None
) -> Deadline | None:
    """Return when the run must be over; None where it has all the time there is.

    Args:
        time_limit: As configured; counted from `since`.
        since: Monotonic time at which the run first got its devices.
        environ: Where a Slurm allocation's end is looked up; None is this process's.
    """
    environ = os.environ if environ is None else environ
    ends: list[Deadline] = []
    if time_limit is not None:
        words = f"the time limit of {time_limit}"
        ends.append(Deadline(at=since + parse_time_limit(time_limit), words=words))
    settled = machine_settings().time_limit
    if settled is not None:
        words = f"the time limit of {settled}, {SAYS_WHO},"
        ends.append(Deadline(at=since + parse_time_limit(settled), words=words))
    left = seconds_of_job(environ)
    if left is not None:
        words = f"the end of Slurm job {environ.get('SLURM_JOB_ID', '')}".rstrip()
        ends.append(Deadline(at=time.monotonic() + left, words=words))
    return min(ends, key=lambda end: end.at, default=None)


def seconds_of_job(environ: Mapping[str, str] | None = None) -> float | None:
    """Return how long the Slurm allocation around us lasts, less what its end itself takes.

    Source: SLURM_JOB_END_TIME, Unix seconds, https://slurm.schedmd.com/sbatch.html
    """
    environ = os.environ if environ is None else environ
    text = environ.get("SLURM_JOB_END_TIME", "")
    if not text.isascii() or not text.isdigit():
        return None
    return max(0.0, int(text) - time.time() - JOB_END_SECONDS)


def limit_seconds(time_limit: str | None, environ: Mapping[str, str] | None = None) -> float | None:
    """Return how long a run that starts now may last; None without a limit."""
    now = time.monotonic()
    end = deadline(time_limit, now, environ)
    return None if end is None else max(0.0, end.at - now)


def steps_that_fit(
    seconds: float, *, step_seconds: float, saved_bytes: int, start_seconds: float = START_SECONDS
) -> int:
    """Return the optimizer steps that end, saved, within a limit; for the form and `plan`.

    Args:
        seconds: The limit, from the start of the ranks.
        step_seconds: Predicted time of one step.
        saved_bytes: Checkpoint and model together, as they are written at the end.
        start_seconds: Until step 1.
    """
    left = seconds - start_seconds - saved_bytes / SAVE_BYTES_PER_SECOND
    if step_seconds <= 0 or not math.isfinite(step_seconds):
        return 0
    return max(0, int(left / step_seconds))


def ends_at(time_limit: str | None, environ: Mapping[str, str] | None = None) -> float | None:
    """Return the moment a rank's last save must be over: its supervisor's word, else its own."""
    environ = os.environ if environ is None else environ
    try:
        return float(environ[ENDS_VARIABLE])
    except (KeyError, ValueError):
        end = deadline(time_limit, time.monotonic(), environ)
        return None if end is None else end.at
