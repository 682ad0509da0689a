"""Drawn text beside the form: a heading and lines made from what the form knows."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual.reactive import reactive

from moai_tui.widgets.form.form_state import FormState
from moai_tui.widgets.lines import Line, Piece
from moai_tui.widgets.painted import Painted


class StatePanel(Painted):
    """Draws `state`; subclasses say which lines, given the room there is."""

    DEFAULT_CSS = """
    StatePanel > .lines--trained { color: $loss-train; text-style: underline; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"lines--trained"}
    """Beside those of `Lines`: text whose tokens count in the loss."""

    state: reactive[FormState] = reactive(FormState(), init=False, repaint=False)
    """What the form knows; bound to the screen's own."""

    def lines_of(self, state: FormState, width: int, height: int) -> Sequence[Line]:
        """Return the lines to draw, at most `height` of them."""
        return ()

    def build(self, width: int, height: int) -> Sequence[Line]:
        """Make the lines for this room."""
        return self.lines_of(self.state, width, height)[:height]

    def watch_state(self, state: FormState) -> None:
        """Draw what is new."""
        self.repaint()


def heading(title: str, width: int, note: str = "") -> Line:
    """Return a rule with a title in it and a note at its end."""
    note = f" {note} " if note else ""
    rule = "─" * max(0, width - cell_len(title) - cell_len(note) - 3)
    return (("─ ", "faint"), (title, "strong"), (" " + rule, "faint"), (note, "muted"))


def wrapped(text: str, width: int, style: str = "", mark: str = "") -> list[Line]:
    """Return a sentence over as many lines as it needs, hanging under its mark."""
    indent = " " * cell_len(mark)
    parts = textwrap.wrap(text, max(8, width - len(indent))) or [""]
    return [((mark if i == 0 else indent, style), (part, style)) for i, part in enumerate(parts)]


def flowed(pieces: Sequence[Piece], width: int, limit: int) -> list[Line]:
    """Break styled text at its line ends and at the width; the rest is an ellipsis.

    Args:
        pieces: Text with its style, in order; line ends are kept.
        width: Cells of a line, at least 2.
        limit: Lines at most, at least 1.
    """
    lines: list[list[Piece]] = [[]]
    room = width
    for text, style in pieces:
        for place, part in enumerate(text.split("\n")):
            if place:
                lines.append([])
                room = width
            rest = part
            while rest:
                head = _head(rest, room)
                lines[-1].append((head, style))
                rest, room = rest[len(head) :], room - cell_len(head)
                if rest:
                    lines.append([])
                    room = width
        if len(lines) > limit:
            break
    if len(lines) > limit:
        lines = lines[:limit]
        *whole, (text, style) = lines[-1] or [("", "")]
        room = max(0, width - 2 - _width(whole))
        lines[-1] = [*whole, (_head(text, room).rstrip(), style), (" …", "muted")]
    return [tuple(line) for line in lines]


def _head(text: str, room: int) -> str:
    """Return as much of a text as fits; at least one letter of an unbroken one."""
    if len(text) <= room and cell_len(text) <= room:
        return text
    width = 0
    for place, letter in enumerate(text):
        width += cell_len(letter)
        if width > room:
            space = text.rfind(" ", place * 2 // 3, place)
            return text[: space + 1 if space > 0 else place]
    return text


def _width(pieces: Sequence[Piece]) -> int:
    return sum(cell_len(text) for text, _ in pieces)
