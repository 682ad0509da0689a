"""How often a run that died may start again, and how long it waits before it does."""

from __future__ import annotations

from trainer_core.run.supervision.outcome import Outcome

RESTARTS = 3
"""In a row, without a new checkpoint between them."""
BACK_OFF_SECONDS = (2.0, 10.0, 30.0)
"""Before the first, second and third: what killed the run may need time to pass."""


class Restarts:
    """Counts restarts; a checkpoint that is newer than at the last death makes it begin anew.

    So a week of training survives more than three deaths, and a run that dies again and again
    without getting anywhere ends.
    """

    def __init__(self) -> None:
        self._made = 0
        self._checkpoint: int | None = None
        self._last: tuple[str | None, int | None] | None = None

    def pause_before_next(
        self, outcome: Outcome, *, step: int | None, checkpoint: int | None
    ) -> float | None:
        """Return the seconds to wait before another attempt; None when there is none.

        Args:
            outcome: How the last attempt ended.
            step: Optimizer steps done in it, None where it had not begun to train.
            checkpoint: Step of the newest checkpoint, None without one.
        """
        if not outcome.retry:
            return None
        if checkpoint is not None and checkpoint > (self._checkpoint or 0):
            self._made = 0
        self._checkpoint = checkpoint
        death = (outcome.reason, step)
        # An exception at the same step again, or before any, is met by every further attempt.
        again = outcome.exception and (step is None or death == self._last)
        self._last = death
        if again or self._made == RESTARTS:
            return None
        self._made += 1
        return BACK_OFF_SECONDS[self._made - 1]

    def in_words(self, outcome: Outcome) -> str | None:
        """Return the reason of the end, with the restarts that did not help."""
        if not outcome.retry or self._made == 0:
            return outcome.reason
        times = "1 restart" if self._made == 1 else f"{self._made} restarts"
        return f"{outcome.reason} (after {times})"
