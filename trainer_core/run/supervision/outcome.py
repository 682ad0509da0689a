"""What an attempt's exit codes and last words come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from trainer_core.run.record.events import TrainingEnded
from trainer_core.run.supervision.cause import is_echo

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
    forced: bool = False
    """Whether it was ended without its last word, as it had been asked to end."""
    exception: bool = False
    """Whether the program itself raised: the next attempt may well meet the same."""


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
    stopping: Literal["stopped", "paused"] | None,
) -> Outcome:
    """Judge an attempt whose ranks have all ended.

    A death by signal comes first: what its peers say of it ("connection closed") is only its
    echo. It is worth another attempt, and so is an exception that came without a way out: a
    user's mistake, or a failure that says what to change, would only be met again.

    Args:
        exit_codes: One for each rank as `subprocess` gives them; None for one stuck in the kernel.
        last_word: Rank 0's own account, where it came to give one.
        deaths: Ranks that died unasked, first death first.
        stopping: The state that the run had been asked to end in, if it had.
    """
    if None in exit_codes:
        return Outcome("failed", 1, "a rank cannot be killed: it is stuck in the kernel")
    killed = next((death for death in deaths if death.exit_code < 0), None)
    if killed is not None:
        return Outcome("failed", 1, killed.cause, retry=True)
    told = _told(last_word) if last_word is not None else None
    if told is not None and (told.state == "failed" or all(code == 0 for code in exit_codes)):
        return _behind_an_echo(told, deaths)
    if deaths:
        return _of_death(next(_first_causes(deaths), deaths[0]))
    if stopping:
        return Outcome(stopping, 0, forced=True)
    return Outcome("failed", 1, "the ranks ended without a word", retry=True, exception=True)


def _behind_an_echo(told: Outcome, deaths: Sequence[Death]) -> Outcome:
    """Return what another rank died of, where rank 0 only says that it is gone."""
    first = next(_first_causes(deaths), None)
    echo = told.state == "failed" and told.retry and is_echo(told.reason or "")
    return _of_death(first) if echo and first is not None else told


def _first_causes(deaths: Sequence[Death]) -> Iterator[Death]:
    return (death for death in deaths if not is_echo(death.cause))


def _of_death(death: Death) -> Outcome:
    if death.exit_code == USER_MISTAKE:
        return Outcome("failed", USER_MISTAKE, death.cause)
    return Outcome("failed", 1, death.cause, retry=True, exception=True)


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
            code = last_word.exit_code or 1
            unforeseen = code != USER_MISTAKE and not fix
            text = "; ".join(parts) or None
            return Outcome("failed", code, text, retry=unforeseen, exception=unforeseen)
