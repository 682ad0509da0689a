"""Entries under head lines with a cursor: the keys, the mouse and the scrolling of every list."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import Click, Resize

from moai_tui.widgets.lines import Lines


class CursorLines(Lines, can_focus=True):
    """A subclass says where its cursor is and draws; `_shown_from` keeps the cursor in sight."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("pagedown,ctrl+d", "move(10)", "Ten down", show=False),
        Binding("pageup,ctrl+u", "move(-10)", "Ten up", show=False),
        Binding("home,g", "move(-1000000)", "First", show=False),
        Binding("end,G", "move(1000000)", "Last", show=False),
    ]

    _top = 0

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
        place = event.y - self._head_height() + self._top
        if event.y >= self._head_height() and place < self._count():
            self._clicked(place)

    def action_move(self, by: int) -> None:
        """Move the cursor; it stops at the ends."""
        place = self._place()
        if place is not None:
            self._go_to(max(0, min(self._count() - 1, place + by)))

    def _shown_from(self, place: int) -> slice:
        """Return which entries are shown, so that the one at `place` is among them."""
        room = max(1, self.size.height - self._head_height())
        self._top = max(0, min(self._top, place, self._count() - room))
        self._top = max(self._top, place - room + 1)
        return slice(self._top, self._top + room)

    def _clicked(self, place: int) -> None:
        self._go_to(place)

    def _place(self) -> int | None:
        """Return the number of the entry under the cursor; None while there is none."""
        raise NotImplementedError

    def _count(self) -> int:
        raise NotImplementedError

    def _head_height(self) -> int:
        raise NotImplementedError

    def _go_to(self, place: int) -> None:
        raise NotImplementedError

    def _draw(self) -> None:
        raise NotImplementedError
