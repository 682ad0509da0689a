"""A word on a line that does something when entered: quieter than a button, as easy to reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget


class ActionLine(Widget, can_focus=True):
    """A text and the key that does the same; enter, space and a click press it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "press", "press", show=False, id="line.press"),
        Binding("up", "app.focus_previous", "previous", show=False, id="line.previous"),
        Binding("down", "app.focus_next", "next", show=False, id="line.next"),
    ]

    DEFAULT_CSS = """
    ActionLine { height: 1; width: auto; padding: 0 1; color: $muted; }
    ActionLine:focus { background: $panel; color: $foreground; text-style: bold; }
    ActionLine.-strong {
        background: $primary-muted; color: $text-primary; text-style: bold; margin-right: 2;
    }
    ActionLine.-strong:focus { background: $primary; color: $background; }
    """

    @dataclass
    class Pressed(Message):
        """The user wants it done."""

        line: ActionLine

        @property
        def control(self) -> ActionLine:
            """The line that was pressed."""
            return self.line

    def __init__(self, text: str, key: str, *, id: str, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._text, self._key = text, key

    def show(self, text: str) -> None:
        """Change the text; it keeps its place."""
        if text != self._text:
            self._text = text
            self.refresh(layout=True)

    def render(self) -> Content:
        """Draw text and key."""
        return Content.assemble(self._text, ("  " + self._key, "not bold $muted"))

    def action_press(self) -> None:
        """Tell the parent."""
        self.post_message(self.Pressed(self))

    def on_click(self, event: events.Click) -> None:
        """A click presses."""
        event.stop()
        self.action_press()
