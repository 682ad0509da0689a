"""The first line of a screen: where one is on the left, what is true everywhere on the right."""

from __future__ import annotations

from textual.events import Resize

from moai_tui.widgets.lines import Lines, fit, line_width


class TitleLine(Lines):
    """`moai-tui  place                                  right`; both texts are literal."""

    DEFAULT_CSS = """
    TitleLine { dock: top; height: 1; padding: 0 1; background: $panel; }
    """

    def __init__(self, place: str, right: str = "", *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._place, self._right = place, right

    def show_title(self, place: str | None = None, right: str | None = None) -> None:
        """Change one or both texts."""
        self._place = self._place if place is None else place
        self._right = self._right if right is None else right
        self._draw()

    def on_resize(self, event: Resize) -> None:
        """Fit again."""
        self._draw()

    def _draw(self) -> None:
        width = self.size.width
        head = ("moai-tui", "title")
        left = width - line_width([head]) - 2
        right = self._right if len(self._right) + len(self._place) + 2 <= left else ""
        place = fit(self._place, max(0, left - len(right)))
        self.show_lines([[head, ("  ", ""), (place, ""), (right, "muted")]])
