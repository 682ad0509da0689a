"""Lines that are made for the room there is, and drawn only in the cells that changed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.events import Resize, Show
from textual.geometry import Region
from textual.strip import Strip

from moai_tui.widgets.glyphs import Glyphs, glyphs
from moai_tui.widgets.lines import Line, Lines, Piece, fit, line_width


class Painted(Lines):
    """A widget that knows what it shows and builds its lines for any size.

    A subclass overrides `build`; `repaint` calls it when something changed, and nothing is built
    while the widget is hidden.
    """

    DEFAULT_CSS = """
    Painted { height: 1fr; }
    """

    def __init__(
        self,
        *,
        id: str | None = None,
        classes: str | None = None,
        signs: Glyphs | None = None,
    ) -> None:
        """Make an empty widget.

        Args:
            id: Name in the screen.
            classes: Classes for styles.
            signs: What to draw with; None takes what the terminal can show.
        """
        super().__init__(id=id, classes=classes)
        self._signs = signs or glyphs()
        self._strips: dict[int, Strip] = {}

    def build(self, width: int, height: int) -> Sequence[Line]:
        """Make the lines for this room, in cells."""
        return self.lines

    def repaint(self) -> None:
        """Build the lines again and draw what differs; nothing while hidden or without room."""
        if self.is_mounted and self.size.area:  # a hidden widget has no area
            try:
                lines = self.build(self.size.width, self.size.height)
            except Exception as error:  # the outermost line of a panel: the others are painted on
                self.app._handle_exception(error)
                return
            self.show_lines(lines)

    def show_lines(self, lines: Sequence[Line]) -> None:
        """Draw these lines; only the cells that differ from what stands there are repainted."""
        drawn = lines if self._signs.braille else in_ascii(lines)
        new, old = [tuple(line) for line in drawn], self._lines
        if new == old:
            return
        self._lines = new
        width, height = self.size
        regions: list[Region] = []
        for y in range(max(len(old), len(new))):
            before = old[y] if y < len(old) else ()
            after = new[y] if y < len(new) else ()
            if before == after:
                continue
            self._strips.pop(y, None)
            start, stop = changed_cells(before, after)
            stop = min(stop, width)
            if y < height and start < stop:
                regions.append(Region(start, y, stop - start, 1))
        if regions and self.is_mounted:
            self.refresh(*regions)

    def on_resize(self, event: Resize) -> None:
        """Another size needs other lines."""
        self._strips.clear()
        self.repaint()

    def on_show(self, event: Show) -> None:
        """What came in while hidden is painted now."""
        self.repaint()

    def notify_style_update(self) -> None:
        """Forget what was drawn in the colours of the last theme."""
        self._strips.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """Draw one row, from the cache where it did not change."""
        strip = self._strips.get(y)
        if strip is None or strip.cell_length != self.size.width:
            strip = self._strips[y] = super().render_line(y)
        return strip


ASCII_SIGNS = str.maketrans("…–−·→°✓✗●■◌◔◑‖▲×␛␊", "~---> +x*o.*o=!x??")
"""Our own signs beyond ASCII, each with one that every terminal shows."""


def in_ascii(lines: Sequence[Line]) -> list[Line]:
    """Return the lines with our own signs in ASCII; other writing stays as it is."""
    return [[(text.translate(ASCII_SIGNS), style) for text, style in line] for line in lines]


def changed_cells(old: Line, new: Line) -> tuple[int, int]:
    """Return the half-open range of cells in which two lines differ; equal ones give (0, 0)."""
    before, after = _cells(old), _cells(new)
    width = max(len(before), len(after))
    blank = (" ", "")
    before += [blank] * (width - len(before))
    after += [blank] * (width - len(after))
    start = 0
    while start < width and before[start] == after[start]:
        start += 1
    if start == width:
        return (0, 0)
    stop = width
    while before[stop - 1] == after[stop - 1]:
        stop -= 1
    return (start, stop)


def _cells(line: Line) -> list[Piece]:
    """Spread a line over its cells; the second half of a wide character is an empty text."""
    cells: list[Piece] = []
    for text, style in line:
        if text.isascii():
            cells += [(character, style) for character in text]
            continue
        for character in text:
            width = cell_len(character)
            if width == 0 and cells:
                cells[-1] = (cells[-1][0] + character, cells[-1][1])
            elif width:
                cells.append((character, style))
                cells += [("", style)] * (width - 1)
    return cells


def cut(text: str, width: int) -> str:
    """Shorten text to `width` cells at most, with an ellipsis where something is missing."""
    return text if cell_len(text) <= width else fit(text, width)


def spread(left: Line, right: Line, width: int) -> Line:
    """Put one line at the left edge and one at the right; the left one is cut where they meet."""
    room = width - line_width(right) - (1 if right else 0)
    kept: list[Piece] = []
    for text, style in left:
        if room <= 0:
            break
        piece = cut(text, room)
        kept.append((piece, style))
        room -= cell_len(piece)
    gap = width - line_width(kept) - line_width(right)
    return (*kept, (" " * max(0, gap), ""), *right)


def heading(title: str, right: Line, width: int, rule: str) -> Line:
    """Draw the first line of a panel: its title, a rule, and something at the right."""
    room = width - len(title) - 1 - line_width(right) - (1 if right else 0)
    gap = " " if right else ""
    return ((title, "strong"), (" ", ""), (rule * max(0, room), "faint"), (gap, ""), *right)
