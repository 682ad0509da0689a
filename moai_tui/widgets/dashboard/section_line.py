"""A heading above a part of a screen: its name, and a detail beside it."""

from __future__ import annotations

from textual.events import Resize

from moai_tui.widgets.lines import Lines, fit
from trainer_core.foreign_text import show_line


class SectionLine(Lines):
    """`Runs   12 runs, 1 running`; one blank line above it."""

    DEFAULT_CSS = """
    SectionLine { height: 1; margin: 1 0 0 0; padding: 0 1; }
    """

    def __init__(self, name: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._name_text, self._detail = name, ""

    def show_detail(self, detail: str) -> None:
        """Show this beside the name, literally."""
        self._detail = show_line(detail, 300)
        self._draw()

    def on_resize(self, event: Resize) -> None:
        """Fit again."""
        self._draw()

    def _draw(self) -> None:
        left = self.size.width - len(self._name_text) - 3
        self.show_lines(
            [[(self._name_text, "title"), ("   ", ""), (fit(self._detail, left), "muted")]]
        )
