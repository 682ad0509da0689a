"""One field of the form on one line: mark, label, editor, and beside it why or what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from moai_tui.widgets.form.choice_field import ChoiceField
from moai_tui.widgets.form.field_spec import Choice, FieldSpec, WrongText, shown
from moai_tui.widgets.form.path_input import PathInput, TextInput
from trainer_core.foreign_text import show_line
from trainer_core.run.config.fields import FieldValue

LABEL_WIDTH = 18
"""Cells of mark and label; the longest label is `Sequence length`."""


NOTHING = object()
"""No value was shown yet; None is a value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowState:
    """Everything a row shows."""

    value: FieldValue = None
    default: str = ""
    """Stands dim in the editor while the value is None."""
    hint: str = ""
    """Beside the editor: the reason of the default, or what the value comes to."""
    problem: str | None = None
    changed: bool = False
    """Whether the value differs from the one the form was opened with."""
    choices: tuple[Choice, ...] | None = None


CLAUSE_MARKS = ("; ", ": ", ", ", " · ", " (")
"""Where a hint may end when there is no room for all of it."""


class FieldRow(Widget):
    """Shows one field and says when the user changed it; knows nothing of other fields."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "app.focus_previous", "previous field", show=False, id="field.previous"),
        Binding("down", "app.focus_next", "next field", show=False, id="field.next"),
    ]

    DEFAULT_CSS = """
    FieldRow { layout: horizontal; height: 1; width: 100%; }
    FieldRow > .editor { width: 26; margin-left: 18; background: $surface; color: $foreground; }
    FieldRow > .editor:focus { background: $primary 30%; background-tint: $foreground 0%; }
    FieldRow.-wide > .editor { width: 36; }
    """

    @dataclass
    class Edited(Message):
        """The user changed the field, or wrote something that is no value of it."""

        row: FieldRow
        value: FieldValue
        problem: str | None = None
        """The sentence to show; `value` is then the last good one."""

        @property
        def control(self) -> FieldRow:
            """The row that was edited."""
            return self.row

    @dataclass
    class ListWanted(Message):
        """The user wants to pick from the row's list."""

        row: FieldRow

        @property
        def control(self) -> FieldRow:
            """The row whose list is wanted."""
            return self.row

    def __init__(self, spec: FieldSpec) -> None:
        super().__init__(id=spec.name.replace(".", "-"))
        self.spec = spec
        self.state = RowState()
        self._misread: str | None = None
        self._posted: list[FieldValue] = []
        self._last_value: FieldValue | object = NOTHING
        self._in_focus = False
        self.editor: ChoiceField | TextInput = _editor_of(spec)
        self.editor.add_class("editor")

    @property
    def problem(self) -> str | None:
        """What is wrong with the field, None when nothing is."""
        return self._misread or self.state.problem

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What the row's list offers."""
        return self.state.choices or self.spec.choices

    def compose(self) -> ComposeResult:
        """The editor; label and hint are drawn by the row itself."""
        yield self.editor

    def show(self, state: RowState) -> None:
        """Take everything from above; what is being typed stays unless the value is another."""
        before, self.state = self.state, state
        from_above = self._is_from_above(state.value)
        if isinstance(self.editor, ChoiceField):
            value = state.value if from_above else self.editor.value
            self.editor.show(value, choices=self.choices, open_text=state.default)
        else:
            if from_above:
                self._misread = None
            text = shown(state.value) if from_above else self.editor.value
            self.editor.show(text, state.default)
            if isinstance(self.editor, PathInput):
                self.editor.ids = tuple(str(choice.value) for choice in self.choices)
        if state != before:
            self.refresh()

    def pick(self, value: FieldValue) -> None:
        """Take a value picked from the list, as if the user had typed it."""
        if isinstance(self.editor, ChoiceField):
            self.editor.pick(value)
        else:
            self.editor.value = shown(value)
            self.editor.cursor_position = len(self.editor.value)

    def render(self) -> Content:
        """Draw mark, label and hint; the editor lies over the gap."""
        mark = "•" if self.state.changed else " "
        label = f"{mark} {self.spec.label}".ljust(LABEL_WIDTH)
        gap = " " * (self.editor.outer_size.width + 1)
        if self.problem:
            parts = (
                (label, "bold $text-error"),
                gap,
                (show_line(f"✗ {self.problem}"), "$text-error"),
            )
        else:
            look = "bold $foreground" if self._in_focus else "$muted"
            room = self.size.width - LABEL_WIDTH - len(gap)
            parts = ((label, look), gap, (whole_clauses(self.state.hint, room), "$muted"))
        return Content.assemble(*parts).truncate(self.size.width, ellipsis=True)

    def _post(self, value: FieldValue) -> None:
        self._posted.append(value)
        self.post_message(self.Edited(self, value))

    def _is_from_above(self, value: FieldValue) -> bool:
        """Say whether a value is news, not the echo of what was typed here a moment ago.

        States come while keys are on their way to the draft: one that still has the value before
        them, or the one between two keys, must not take back what stands in the editor.
        """
        if value == self._last_value:
            return False
        self._last_value = value
        if value in self._posted:
            del self._posted[: self._posted.index(value) + 1]
            return False
        self._posted.clear()
        return True

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        text = event.value.strip()
        try:
            value = self.spec.read(text) if text else self.spec.unset
        except WrongText as error:
            self._misread = str(error)
            self.post_message(self.Edited(self, self.state.value, self._misread))
        else:
            self._misread = None
            self._post(value)
        self.refresh()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self.spec.kind == "combo":
            self.post_message(self.ListWanted(self))
        else:
            self.screen.focus_next()

    @on(ChoiceField.Picked)
    def _picked(self, event: ChoiceField.Picked) -> None:
        event.stop()
        self._post(event.value)

    @on(ChoiceField.ListWanted)
    def _list_wanted(self, event: ChoiceField.ListWanted) -> None:
        event.stop()
        self.post_message(self.ListWanted(self))

    def on_descendant_focus(self) -> None:
        """Let the label stand out."""
        self._in_focus = True
        self.refresh()

    def on_descendant_blur(self) -> None:
        """Let the label step back."""
        self._in_focus = False
        self.refresh()


def whole_clauses(text: str, width: int) -> str:
    """Return as many whole clauses as fit: the help line below has the whole sentence.

    Text whose first clause is too long stays whole, for the row to cut.
    """
    text = show_line(text)
    while len(text) > width:
        ends = [text.rfind(mark) for mark in CLAUSE_MARKS]
        if max(ends) <= 0:
            break
        text = text[: max(ends)]
    return text


def _editor_of(spec: FieldSpec) -> ChoiceField | TextInput:
    if spec.kind == "choice":
        return ChoiceField(spec.choices)
    return PathInput() if spec.kind == "combo" else TextInput()
