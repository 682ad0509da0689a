"""The last line of a screen: the keys that matter there, one fixed line that costs nothing."""

from __future__ import annotations

from collections.abc import Sequence

from textual.events import Resize

from moai_tui.widgets.lines import Line, Lines, Piece, line_width


class KeyLine(Lines):
    """Keys and words, e.g. `n new run   enter open`; those that do not fit are left out."""

    DEFAULT_CSS = """
    KeyLine { dock: bottom; height: 1; padding: 0 1; background: $panel; }
    """

    def __init__(self, hints: Sequence[tuple[str, str]], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._hints = tuple(hints)

    def show_hints(self, hints: Sequence[tuple[str, str]]) -> None:
        """Show other keys, most important first."""
        self._hints = tuple(hints)
        self._draw()

    def on_resize(self, event: Resize) -> None:
        """Fit again."""
        self._draw()

    def _draw(self) -> None:
        self.show_lines([hint_line(self._hints, self.size.width)])


def hint_line(hints: Sequence[tuple[str, str]], width: int) -> Line:
    """Return as many hints as fit into `width` cells, in order."""
    line: list[Piece] = []
    for key, word in hints:
        more: list[Piece] = [("   " if line else "", ""), (key, "key"), (f" {word}", "muted")]
        if line_width([*line, *more]) > width:
            break
        line += more
    return line
