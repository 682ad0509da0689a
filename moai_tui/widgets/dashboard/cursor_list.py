"""A list of lines with a cursor, as high as its place: what the devices screen is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual.events import Resize
from textual.geometry import Size
from textual.message import Message

from moai_tui.widgets.cursor_lines import CursorLines
from moai_tui.widgets.lines import Line


class CursorList(CursorLines):
    """Head lines that stay, entries that scroll; the cursor keeps to its entry's key."""

    DEFAULT_CSS = """
    CursorList { height: auto; padding: 0 1; }
    """

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
        self._refit: Callable[[], None] = self._draw

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

    def on_resize(self, event: Resize) -> None:
        """Make the lines again for the new width: a subclass says how in `_refit`."""
        self._refit()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Ask for room for everything; the screen may give less."""
        return len(self._head) + max(
            1, len(self._entries), 0 if self._entries else len(self._empty)
        )

    def _go_to(self, place: int) -> None:
        self._cursor = self._entries[place][0]
        self._draw()
        self.post_message(self.Moved(self))

    def _place(self) -> int | None:
        if not self._entries:
            return None
        keys = [key for key, _ in self._entries]
        return keys.index(self._cursor) if self._cursor in keys else 0

    def _count(self) -> int:
        return len(self._entries)

    def _head_height(self) -> int:
        return len(self._head)

    def _draw(self) -> None:
        place = self._place()
        if place is None:
            self.show_lines([*self._head, *self._empty])
            return
        shown = self._entries[self._shown_from(place)]
        marked = self._entries[place][0]
        self.show_lines(
            [*self._head, *(self._marked(line) if key == marked else line for key, line in shown)]
        )

    def _marked(self, line: Line) -> Line:
        if not self.has_focus:
            return line
        return [(text, "cursor") for text, _ in line]
