"""A field whose value is picked, never typed: arrows step through it, enter opens the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from moai_tui.widgets.form.field_spec import Choice
from trainer_core.run.config.fields import FieldValue


class ChoiceField(Widget, can_focus=True):
    """One line with the picked value and a mark that says there is a list behind it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step(-1)", "previous", show=False, id="choice.previous"),
        Binding("right", "step(1)", "next", show=False, id="choice.next"),
        Binding("space", "other", "change", show=False, id="choice.other"),
        Binding("enter", "open", "list", show=False, id="choice.open"),
    ]

    DEFAULT_CSS = """
    ChoiceField { height: 1; padding: 0 1; }
    """

    @dataclass
    class Picked(Message):
        """The user settled on a value."""

        field: ChoiceField
        value: FieldValue

        @property
        def control(self) -> ChoiceField:
            """The field that was changed."""
            return self.field

    @dataclass
    class ListWanted(Message):
        """The user wants to see every choice."""

        field: ChoiceField

        @property
        def control(self) -> ChoiceField:
            """The field whose list is wanted."""
            return self.field

    def __init__(self, choices: tuple[Choice, ...] = (), *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._choices = choices
        self._value: FieldValue = choices[0].value if choices else None
        self._open_text = ""

    @property
    def value(self) -> FieldValue:
        """The picked value; None is left to the core."""
        return self._value

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Everything that can be picked, best first."""
        return self._choices

    def show(
        self, value: FieldValue, *, choices: tuple[Choice, ...] | None = None, open_text: str = ""
    ) -> None:
        """Take a value from above; nothing is posted.

        Args:
            value: What is picked.
            choices: A new list, None keeps the old one.
            open_text: What stands there, dim, while the value is None.
        """
        before = (self._value, self._choices, self._open_text)
        self._value, self._open_text = value, open_text
        if choices is not None:
            self._choices = choices
        if before != (self._value, self._choices, self._open_text):
            self.refresh()

    def pick(self, value: FieldValue) -> None:
        """Settle on a value and tell the parent, unless it stands there already."""
        if value != self._value:
            self._value = value
            self.refresh()
            self.post_message(self.Picked(self, value))

    def render(self) -> Content:
        """Draw the value and the mark."""
        label = next((c.label for c in self._choices if c.value == self._value), None)
        left_open = self._value is None and bool(self._open_text)
        text = self._open_text if left_open else (label or str(self._value or "–"))
        style = "$muted" if left_open else ""
        return Content.assemble((text, style), (" ▾", "$faint"))

    def action_step(self, by: int) -> None:
        """Pick the neighbour in the list; at its ends nothing happens."""
        usable = [choice.value for choice in self._choices if choice.enabled]
        place = usable.index(self._value) if self._value in usable else -1
        if 0 <= place + by < len(usable):
            self.pick(usable[place + by])

    def action_other(self) -> None:
        """With two choices take the other one, with more open the list."""
        if len(self._choices) == 2:
            self.pick(next(c.value for c in self._choices if c.value != self._value))
        else:
            self.action_open()

    def action_open(self) -> None:
        """Ask for the list."""
        self.post_message(self.ListWanted(self))

    def on_click(self, event: events.Click) -> None:
        """A click does what enter does."""
        event.stop()
        self.action_open()
