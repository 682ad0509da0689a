"""A list of lines with a cursor, as high as its place: what the devices screen is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import Click, Resize
from textual.geometry import Size
from textual.message import Message

from moai_tui.widgets.lines import Line, Lines


class CursorList(Lines, can_focus=True):
    """Head lines that stay, entries that scroll; the cursor keeps to its entry's key."""

    DEFAULT_CSS = """
    CursorList { height: auto; padding: 0 1; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("pagedown,ctrl+d", "move(10)", "Ten down", show=False),
        Binding("pageup,ctrl+u", "move(-10)", "Ten up", show=False),
        Binding("home,g", "move(-100000)", "First", show=False),
        Binding("end,G", "move(100000)", "Last", show=False),
    ]

    @dataclass
    class Moved(Message):
        """The cursor stands on another entry."""

        list: CursorList

        @property
        def control(self) -> CursorList:
            """The list it happened in."""
            return self.list

    def __init__(self, *, empty: Sequence[Line] = (), id: str | None = None) -> None:
        super().__init__(id=id)
        self._head: list[Line] = []
        self._entries: list[tuple[str, Line]] = []
        self._empty = list(empty)
        self._cursor: str | None = None
        self._top = 0

    @property
    def cursor(self) -> str | None:
        """Key of the entry under the cursor; None while there is none."""
        place = self._place()
        return None if place is None else self._entries[place][0]

    def show_entries(self, head: Sequence[Line], entries: Sequence[tuple[str, Line]]) -> None:
        """Show these lines; an entry is its key and its line."""
        grown = len(entries) != len(self._entries) or len(head) != len(self._head)
        before = self.cursor
        self._head, self._entries = list(head), list(entries)
        self._draw()
        if grown and self.is_mounted:
            self.refresh(layout=True)
        if self.cursor != before:
            self.post_message(self.Moved(self))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Ask for room for everything; the screen may give less."""
        return len(self._head) + max(
            1, len(self._entries), 0 if self._entries else len(self._empty)
        )

    def on_resize(self, event: Resize) -> None:
        """Show what fits now."""
        self._draw()

    def on_focus(self) -> None:
        """Show the cursor."""
        self._draw()

    def on_blur(self) -> None:
        """Take the cursor's colour away; its place stays."""
        self._draw()

    def on_click(self, event: Click) -> None:
        """Move the cursor to the line."""
        place = event.y - len(self._head) + self._top
        if event.y >= len(self._head) and place < len(self._entries):
            self._go_to(place)

    def action_move(self, by: int) -> None:
        """Move the cursor; it stops at the ends."""
        place = self._place()
        if place is not None:
            self._go_to(max(0, min(len(self._entries) - 1, place + by)))

    def _go_to(self, place: int) -> None:
        self._cursor = self._entries[place][0]
        self._draw()
        self.post_message(self.Moved(self))

    def _place(self) -> int | None:
        if not self._entries:
            return None
        keys = [key for key, _ in self._entries]
        return keys.index(self._cursor) if self._cursor in keys else 0

    def _draw(self) -> None:
        room = max(1, self.size.height - len(self._head))
        place = self._place()
        if place is None:
            self.show_lines([*self._head, *self._empty])
            return
        self._top = max(0, min(self._top, place, len(self._entries) - room))
        self._top = max(self._top, place - room + 1)
        shown = self._entries[self._top : self._top + room]
        marked = self._entries[place][0]
        self.show_lines(
            [*self._head, *(self._marked(line) if key == marked else line for key, line in shown)]
        )

    def _marked(self, line: Line) -> Line:
        if not self.has_focus:
            return line
        return [(text, "cursor") for text, _ in line]
