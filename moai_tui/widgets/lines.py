"""A widget that draws its own lines and repaints only those that changed.

Every number that moves in the dashboard is drawn by a subclass of `Lines`: no layout, no
markup, no scroll bars. A line is a list of (text, style) pieces; a style is one of `STYLES`,
or several joined by a space. Text is drawn literally.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich.cells import cell_len, set_cell_size
from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

Piece = tuple[str, str]
Line = Sequence[Piece]

STYLES: dict[str, tuple[str | None, Style]] = {
    "muted": ("muted", Style()),
    "faint": ("faint", Style()),
    "strong": (None, Style(bold=True)),
    "title": ("primary", Style(bold=True)),
    "accent": ("accent", Style()),
    "good": ("text-success", Style()),
    "warn": ("text-warning", Style()),
    "bad": ("text-error", Style()),
    "low": ("load-low", Style()),
    "mid": ("load-mid", Style()),
    "high": ("load-high", Style()),
    "key": ("footer-key-foreground", Style(bold=True)),
    "cursor": ("block-cursor-foreground", Style()),
    "train": ("loss-train", Style()),
    "eval": ("loss-eval", Style()),
    "raw": ("loss-train", Style(dim=True)),
    "smooth": ("loss-train", Style(bold=True)),
    "run-a": ("loss-train", Style()),
    "run-b": ("load-low", Style()),
    "run-c": ("loss-eval", Style()),
    "run-d": ("load-high", Style()),
    "run-e": ("accent", Style()),
    "run-f": ("muted", Style()),
}
"""Names a piece may use: the theme's variable for its colour, and how else it looks.

Looked up in the theme and not in CSS: as component classes they cost a tenth of the start. A name
that is not here is a component class `lines--<name>` of the subclass.
"""

BEHIND = {"cursor": "block-cursor-background"}
"""Styles with a background of their own."""


def fit(text: str, width: int, align: Literal["left", "right", "center"] = "left") -> str:
    """Return `text` in exactly `width` terminal cells, cut with an ellipsis where too long."""
    if width <= 0:
        return ""
    missing = width - cell_len(text)
    if missing < 0:
        return set_cell_size(text, width - 1) + "…"
    if align == "right":
        return " " * missing + text
    if align == "center":
        return " " * (missing // 2) + text + " " * (missing - missing // 2)
    return text + " " * missing


def line_width(line: Line) -> int:
    """Return the terminal cells a line takes."""
    return sum(cell_len(text) for text, _ in line)


class Lines(Widget):
    """Lines of styled text, cut to the widget's width; set them with `show_lines`."""

    DEFAULT_CSS = """
    Lines { height: auto; width: 1fr; color: $foreground; }
    """

    def __init__(
        self, lines: Sequence[Line] = (), *, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: list[tuple[Piece, ...]] = [tuple(line) for line in lines]
        self._styles: dict[str, Style] = {}

    @property
    def lines(self) -> tuple[tuple[Piece, ...], ...]:
        """What is drawn now."""
        return tuple(self._lines)

    @property
    def plain(self) -> str:
        """The drawn text without styles, for tests and copying."""
        return "\n".join("".join(text for text, _ in line).rstrip() for line in self._lines)

    def show_lines(self, lines: Sequence[Line]) -> None:
        """Draw these lines; only the ones that differ from what stands there are repainted."""
        new = [tuple(line) for line in lines]
        old, self._lines = self._lines, new
        if len(new) != len(old) and self.styles.height is not None and self.styles.height.is_auto:
            self.refresh(layout=True)
            return
        width = self.size.width
        dirty = [
            Region(0, y, width, 1)
            for y in range(max(len(old), len(new)))
            if y >= len(old) or y >= len(new) or old[y] != new[y]
        ]
        if dirty:
            self.refresh(*dirty)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Take one row a line where the height is automatic."""
        return len(self._lines)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Take the longest line's cells where the width is automatic."""
        return max((line_width(line) for line in self._lines), default=0)

    def notify_style_update(self) -> None:
        """Forget the colours of the last theme."""
        self._styles.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """Draw one row."""
        plain = self._style("")
        pieces = self._lines[y] if y < len(self._lines) else ()
        segments = [Segment(text, self._style(style)) for text, style in pieces]
        end = self._line_end(pieces, plain)
        return Strip(segments).adjust_cell_length(self.size.width, end).simplify()

    def _line_end(self, pieces: tuple[Piece, ...], plain: Style) -> Style:
        """A line that ends under the cursor keeps its colour to the edge."""
        if pieces and "cursor" in pieces[-1][1].split():
            return self._style("cursor")
        return plain

    def _style(self, name: str) -> Style:
        style = self._styles.get(name)
        if style is None:
            style = self.rich_style
            for part in name.split():
                style += self._part(part)
            self._styles[name] = style
        return style

    def _part(self, name: str) -> Style:
        variable, look = STYLES.get(name, (None, None))
        if look is None:
            return self.get_component_rich_style(f"lines--{name}", partial=True)
        colours = self.app.theme_variables
        behind = colours.get(BEHIND.get(name, ""))
        if variable is None:
            return look
        front = colours.get(variable, colours["foreground"])
        ground = None if behind is None else _colour(behind)
        return look + Style.from_color(_colour(front, behind), ground)


def _colour(text: str, behind: str | None = None) -> RichColor:
    """Return a variable's colour; `auto 87%` is the writing that can be read on `behind`."""
    if text.startswith("auto"):
        return Color.parse(behind or "black").get_contrast_text(0.87).rich_color
    return Color.parse(text).rich_color
