"""Filters at the very end of drawing: ASCII instead of signs, attributes instead of colours.

Every line of every widget goes through them, borders, scroll bars and dialogs included, so no
widget has to know what the terminal lacks.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

from moai_tui import looks

if TYPE_CHECKING:
    from collections.abc import Sequence

ASCII_SIGNS = str.maketrans(
    "─━┄┈═▔▁│┃║▏▎▌▐▕▊┌┐└┘├┤┬┴┼╭╮╰╯╸╺▂▃▄▅▆▇█░▒▓←→↑↓▲▼▸▾◂▴…–—−·•×°✓✗●■◌◔◑○‖⠢⏎⌫≤≥“”‘’␛␊»«\u00a0",
    "-=----_|||||||||+++++++++++++=-_.:-=*#.:#<>^v^v>v<^~---.*x +x*#o.*o=.<<<>\"\"''??>< ",
)
"""Our own signs and Textual's, each with one that every terminal shows; all one cell wide."""

REVERSE_CONTRAST = 0.35
"""A background this much brighter or darker than the screen's is drawn in reverse."""

DIM_CONTRAST = 0.4
"""Writing nearer to its background than this is drawn dim."""


@lru_cache(4096)
def in_ascii(text: str) -> str:
    """Return the text in ASCII, as many cells wide; what has no twin becomes `?`."""
    if text.isascii():
        return text
    plain = text.translate(ASCII_SIGNS)
    if plain.isascii():
        return plain
    return "".join(map(_twin, plain))


def _twin(character: str) -> str:
    if character.isascii():
        return character
    return "." if "\u2800" < character <= "\u28ff" else "?" * cell_len(character)


class AsciiFilter(LineFilter):
    """Signs beyond ASCII become their nearest twin."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Translate the texts; styles stay."""
        return [Segment(in_ascii(text), style, control) for text, style, control in segments]


class ColourlessFilter(LineFilter):
    """Colours become bold, dim and reverse: for `NO_COLOR` not one colour is sent."""

    def __init__(self, screen_background: str) -> None:
        super().__init__()
        self._screen = Color.parse(screen_background).brightness

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Draw what stood out by colour with attributes."""
        return [
            Segment(text, None if style is None else _plain(style, self._screen), control)
            for text, style, control in segments
        ]


@lru_cache(1024)
def _plain(style: Style, screen: float) -> Style:
    """Return the style without colours.

    Args:
        style: As a widget drew it.
        screen: Brightness of the screen's background, 0 to 1.
    """
    behind = _brightness(style.bgcolor, screen)
    front = _brightness(style.color, 1.0 - screen)
    return Style(
        bold=style.bold or None,
        italic=style.italic or None,
        underline=style.underline or None,
        strike=style.strike or None,
        dim=style.dim or abs(front - behind) < DIM_CONTRAST or None,
        reverse=bool(style.reverse) != (abs(behind - screen) > REVERSE_CONTRAST) or None,
        meta=style.meta or None,
    )


def _brightness(color: object, otherwise: float) -> float:
    from rich.color import Color as RichColor

    if not isinstance(color, RichColor) or color.is_default:
        return otherwise
    return Color.from_rich_color(color).brightness


class TerminalFilters:
    """Which filters this terminal needs; asked for each widget that is drawn."""

    def __init__(self) -> None:
        self._ascii = () if looks.unicode_wanted() else (AsciiFilter(),)
        self._plain = looks.colour_count() == 0
        self._colourless: dict[str, LineFilter] = {}

    def after(self, before: Sequence[LineFilter], background: str | None) -> Sequence[LineFilter]:
        """Return Textual's own filters and ours; without colours only ours are of use.

        Args:
            before: Textual's.
            background: The theme's, which decides what stands out.
        """
        if not self._plain:
            return [*before, *self._ascii]
        behind = background or "black"
        if behind not in self._colourless:
            self._colourless[behind] = ColourlessFilter(behind)
        return [*self._ascii, self._colourless[behind]]
