"""What an attempt's exit codes and last words come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainer_core.run.events import TrainingEnded

USER_MISTAKE = 2
"""Exit code of a rank that met bad input: starting again would meet it again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended."""

    state: str
    exit_code: int
    reason: str | None = None
    retry: bool = False
    """Whether another attempt from the last checkpoint may end otherwise."""


@dataclass(frozen=True, slots=True)
class Death:
    """One rank that ended though nobody had asked it to."""

    cause: str
    exit_code: int
    """As `subprocess` gives it: negative for a signal."""


def outcome_of(
    exit_codes: Sequence[int | None],
    last_word: TrainingEnded | None,
    deaths: Sequence[Death],
    *,
    stopping: bool,
) -> Outcome:
    """Judge an attempt whose ranks have all ended.

    A death by signal comes first: what its peers say of it ("connection closed") is only its
    echo. It alone is worth another attempt; an exception would be met again.

    Args:
        exit_codes: One for each rank as `subprocess` gives them; None for one stuck in the kernel.
        last_word: Rank 0's own account, where it came to give one.
        deaths: Ranks that died unasked, first death first.
        stopping: Whether the run had been asked to stop.
    """
    if None in exit_codes:
        return Outcome("failed", 1, "a rank cannot be killed: it is stuck in the kernel")
    killed = next((death for death in deaths if death.exit_code < 0), None)
    if killed is not None:
        return Outcome("failed", 1, killed.cause, retry=True)
    told = _told(last_word) if last_word is not None else None
    if told is not None and (told.state == "failed" or all(code == 0 for code in exit_codes)):
        return told
    if deaths:
        mistaken = any(death.exit_code == USER_MISTAKE for death in deaths)
        return Outcome("failed", USER_MISTAKE if mistaken else 1, deaths[0].cause)
    if stopping:
        return Outcome("stopped", 0, "ended before it had answered")
    return Outcome("failed", 1, "the ranks ended without a word")


def _told(last_word: TrainingEnded) -> Outcome:
    match last_word.reason:
        case "finished":
            return Outcome("finished", 0)
        case "stopped":
            return Outcome("stopped", 0)
        case "paused":
            return Outcome("paused", 0)
        case "time_limit":
            return Outcome("stopped", 0, "the time limit was reached")
        case _:
            error, fix = last_word.error or "", last_word.fix or ""
            # A user's mistake is told as one sentence that holds its mending already.
            parts = [part for part in (error, "" if error.endswith(fix) else fix) if part]
            return Outcome("failed", last_word.exit_code or 1, "; ".join(parts) or None)
