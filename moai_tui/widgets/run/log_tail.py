"""The end of rank 0's log; follows the newest line until one scrolls back."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from moai_tui.widgets.glyphs import Glyphs
from moai_tui.widgets.lines import Line
from moai_tui.widgets.painted import Painted, cut, heading
from trainer_core.foreign_text import show_line

ANCHOR_LINES = 4
"""Lines by which the old end of a log is found in the new one; single lines often repeat."""


class LogTail(Painted):
    """Log lines, newest last, cut at the right edge.

    Lines are added below until the panel is full, then it moves up by half: to scroll it with
    every line would draw the whole panel twice a second, and no one could read it.
    """

    back: reactive[int] = reactive(0, init=False, repaint=False)
    """Lines scrolled back from the newest; 0 follows."""

    def __init__(self, *, id: str | None = None, signs: Glyphs | None = None) -> None:
        super().__init__(id=id, signs=signs)
        self._log: tuple[str, ...] = ()
        self._filled = 0
        """Rows with a line while the newest one is followed."""
        self._rows = 0

    def show(self, lines: tuple[str, ...]) -> None:
        """Show these lines, newest last; a reader who scrolled back keeps their place."""
        if lines == self._log:
            return
        fresh = fresh_lines(self._log, lines)
        if self.back:
            self.set_reactive(LogTail.back, min(self.back + fresh, max(0, len(lines) - 1)))
        self._fill(fresh)
        self._log = lines
        self.repaint()

    def watch_back(self) -> None:
        """Draw another part."""
        self.repaint()

    def scroll_lines(self, count: int) -> None:
        """Scroll down by `count` lines, up where it is negative."""
        most = max(0, len(self._log) - self._room)
        self.back = min(most, max(0, self.back - count))

    def scroll_to_end(self, *, top: bool) -> None:
        """Go to the oldest line, or back to following the newest."""
        self.scroll_lines(-len(self._log) if top else len(self._log))

    def build(self, width: int, height: int) -> Sequence[Line]:
        """Draw the heading and as many lines as there is room for."""
        if height - 1 != self._rows:
            self._rows, self._filled = height - 1, height - 1
        stop = len(self._log) - self.back
        rows = self._rows if self.back else self._filled
        shown = self._log[max(0, stop - rows) : stop]
        where = f"{self.back} below" if self.back else "newest last"
        top = heading(
            "Log", ((where, "accent" if self.back else "muted"),), width, self._signs.rule
        )
        if not self._log:
            return [top, (("nothing written yet", "muted"),)]
        return [top, *(_line(text, width) for text in shown)]

    @property
    def _room(self) -> int:
        return max(1, self.size.height - 1)

    def _fill(self, fresh: int) -> None:
        """Use the free rows below; when there are too few, move up by half."""
        self._filled = min(self._filled, len(self._log)) + fresh
        if self._filled > self._rows:
            half = self._rows - self._rows // 2
            self._filled = half if fresh <= half else self._rows


def fresh_lines(old: tuple[str, ...], new: tuple[str, ...]) -> int:
    """Return how many lines at the end of `new` came after the last ones of `old`."""
    anchor = old[-ANCHOR_LINES:]
    if not anchor:
        return len(new)
    for fresh in range(len(new)):
        stop = len(new) - fresh
        if new[max(0, stop - len(anchor)) : stop] == anchor:
            return fresh
    return len(new)


def _line(text: str, width: int) -> Line:
    safe = cut(show_line(text), width)
    lowered = safe.lower()
    if "error" in lowered or "traceback" in lowered:
        return ((safe, "bad"),)
    return ((safe, "warn" if "warning" in lowered else ""),)
