"""How often live facts are painted: never faster than the terminal takes them.

Between us and the eyes may lie a line of 2 kB/s whose buffers swallow a minute of frames before
a write blocks. So after a frame the terminal is asked where its cursor is; the answer comes once
everything before it is drawn, and until then live facts wait, the newest of each kind in place
of older ones. All kinds are painted at one beat: a frame for each costs twice the CPU. Answers to
keys are painted at once. A terminal that has never answered is not
waited for: a recorder or a plain pseudo-terminal never will.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

QUESTION = "\x1b[6n"
"""Textual understands the answer and posts it as `events.CursorPosition`."""

LEAST_BYTES = 200
"""Written since the last question before it is asked again: at rest nothing is asked."""

PATIENCE_SECONDS = 20.0
"""So long an answer may take; after that the line is taken for one that lost it."""


class Pace:
    """Publishes the newest fact of each kind, all of them at one calm beat."""

    def __init__(
        self,
        seconds: float,
        set_timer: Callable[[float, Callable[[], None]], object],
        ask: Callable[[str], object],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make one for an app.

        Args:
            seconds: Least time between two paintings.
            set_timer: Calls something after so many seconds.
            ask: Writes to the terminal.
            now: The clock.
        """
        self.seconds = seconds
        self._set_timer, self._ask, self._now = set_timer, ask, now
        self._known: set[str] = set()
        self._last, self._due = float("-inf"), False
        self._waiting: dict[str, Callable[[], None]] = {}
        self._bytes_asked_at = 0
        self._asked: float | None = None
        self._answers, self._has_answered = True, False
        self._slowness = 0.0

    @property
    def held(self) -> bool:
        """Whether the terminal still draws what it was sent, as far as it is one that tells."""
        return self._asked is not None and self._has_answered

    def publish(self, kind: str, publish: Callable[[], None]) -> None:
        """Publish the newest of this kind at the next beat; the first one of all at once."""
        self._waiting[kind] = publish
        if kind not in self._known and not self.held:
            self._publish()
        else:
            self._later()

    def hurry(self, kind: str) -> None:
        """Publish the next fact of this kind at once: it is the answer to a key."""
        self._known.discard(kind)

    def wrote(self, total_bytes: int) -> None:
        """Take notice of a frame: ask whether the terminal has drawn it.

        Args:
            total_bytes: All that frames ever wrote.
        """
        new = total_bytes - self._bytes_asked_at
        if not self._answers or self._asked is not None or new < LEAST_BYTES:
            return
        self._bytes_asked_at, self._asked = total_bytes, self._now()
        self._ask(QUESTION)
        self._set_timer(PATIENCE_SECONDS, partial(self._give_up, self._asked))

    def answered(self) -> None:
        """The terminal has drawn what it was sent; what waited is painted when it is time."""
        self._has_answered = True
        if self._asked is None:
            return
        self._slowness = self._now() - self._asked
        self._take_up()

    def _give_up(self, asked: float) -> None:
        if self._asked == asked:
            self._answers = self._has_answered  # it did answer once: one answer was lost
            self._slowness = self._now() - asked if self._has_answered else 0.0
            self._take_up()

    def _take_up(self) -> None:
        self._asked = None
        self._later()

    def _later(self) -> None:
        if self.held or self._due or not self._waiting:
            return  # the answer, or the timer, comes back to it
        # The line is left as much time for keys as it takes for frames.
        left = self._last + max(self.seconds, self._slowness) - self._now()
        if left <= 0:
            self._publish()
        else:
            self._due = True
            self._set_timer(left, self._beat)

    def _beat(self) -> None:
        self._due = False
        self._later()

    def _publish(self) -> None:
        waiting, self._waiting = self._waiting, {}
        self._known |= waiting.keys()
        self._last = self._now()
        for publish in waiting.values():
            publish()
