"""The end of rank 0's log; follows the newest line until one scrolls back."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from moai_tui.widgets.glyphs import Glyphs
from moai_tui.widgets.lines import Line
from moai_tui.widgets.painted import Painted, cut, heading
from trainer_core.foreign_text import show_line


class LogTail(Painted):
    """Log lines, newest at the bottom, cut at the right edge."""

    back: reactive[int] = reactive(0, init=False, repaint=False)
    """Lines scrolled back from the newest; 0 follows."""

    def __init__(self, *, id: str | None = None, signs: Glyphs | None = None) -> None:
        super().__init__(id=id, signs=signs)
        self._log: tuple[str, ...] = ()

    def show(self, lines: tuple[str, ...]) -> None:
        """Show these lines, newest last; a reader who scrolled back keeps their place."""
        if lines == self._log:
            return
        if self.back:
            self.set_reactive(LogTail.back, self._kept(lines))
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
        stop = len(self._log) - self.back
        shown = self._log[max(0, stop - (height - 1)) : stop]
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

    def _kept(self, lines: tuple[str, ...]) -> int:
        """Return how far back the line is that stood last on screen."""
        anchor = self._log[len(self._log) - 1 - self.back : len(self._log)]
        for at in range(len(lines) - 1, -1, -1):
            if lines[at : at + len(anchor)] == anchor:
                return len(lines) - 1 - at
        return min(self.back, max(0, len(lines) - 1))


def _line(text: str, width: int) -> Line:
    safe = cut(show_line(text), width)
    lowered = safe.lower()
    if "error" in lowered or "traceback" in lowered:
        return ((safe, "bad"),)
    return ((safe, "warn" if "warning" in lowered else ""),)
