"""The names of a screen's panels in one line, each with the digit that opens it."""

from __future__ import annotations

from collections.abc import Sequence

from moai_tui.widgets.lines import Line, Piece
from moai_tui.widgets.painted import Painted


class PanelTabs(Painted):
    """`1 loss   2 phases   3 log   4 samples`, the open one marked."""

    DEFAULT_CSS = "PanelTabs { height: 1; padding: 0 1; }"

    def __init__(self, names: Sequence[str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._names = tuple(names)
        self._open = 0

    def show(self, names: Sequence[str], open_panel: int) -> None:
        """Show these names, the one at `open_panel` (from 0) marked."""
        self._names, self._open = tuple(names), open_panel
        self.repaint()

    def build(self, width: int, height: int) -> Sequence[Line]:
        """Draw the names."""
        line: list[Piece] = []
        for number, name in enumerate(self._names):
            style = "cursor" if number == self._open else "muted"
            line += [(f" {number + 1} {name} ", style), (" ", "")]
        return [line]
