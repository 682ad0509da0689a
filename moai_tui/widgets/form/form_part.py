"""A part of the form: some rows, one message up, one state down."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.reactive import reactive

from moai_tui.widgets.form.field_row import FieldRow, RowState
from moai_tui.widgets.form.field_spec import Choice, FieldSpec, shown
from moai_tui.widgets.form.form_state import FormState
from trainer_core.run.config.fields import FieldValue


class FormPart(Vertical):
    """Rows that belong together. Subclasses give `SPECS` and say what stands beside them."""

    SPECS: ClassVar[tuple[FieldSpec, ...]] = ()

    DEFAULT_CSS = """
    FormPart { height: auto; }
    """

    state: reactive[FormState] = reactive(FormState(), init=False, repaint=False)
    """What the screen knows; bound to the screen's own."""

    @dataclass
    class Changed(Message):
        """The user changed one field of this part."""

        part: FormPart
        field: str
        """Dotted name."""
        value: FieldValue
        problem: str | None = None
        """Why what was written is no value; `value` is then the last good one."""

        @property
        def control(self) -> FormPart:
            """The part that was changed."""
            return self.part

    def compose(self) -> ComposeResult:
        """One row a field."""
        for spec in self.SPECS:
            yield FieldRow(spec)

    def on_mount(self) -> None:
        """Show what is known so far."""
        self.watch_state(self.state)

    def watch_state(self, state: FormState) -> None:
        """Hand each row what concerns it."""
        for row in self.query(FieldRow):
            name = row.spec.name
            row.display = self.is_shown(name, state)
            row.show(
                RowState(
                    value=state.wrote(name),
                    default=self.default_of(name, state),
                    hint=self.hint_of(name, state),
                    problem=state.problems.get(name),
                    changed=state.changed(name),
                    choices=self.choices_of(name, state),
                )
            )

    def is_shown(self, field: str, state: FormState) -> bool:
        """Say whether the field makes sense for this draft."""
        return True

    def default_of(self, field: str, state: FormState) -> str:
        """Return what stands dim in the editor while the user leaves the field to the core."""
        return shown(state.chosen(field))

    def hint_of(self, field: str, state: FormState) -> str:
        """Return what stands beside the editor."""
        if state.wrote(field) is not None:
            return ""
        # The default stands beside it already, perhaps written another way: `2e-05: usual for …`.
        return re.sub(r"^[-+.e\d]+: ", "", state.reasons.get(field, ""))

    def choices_of(self, field: str, state: FormState) -> tuple[Choice, ...] | None:
        """Return the list behind the field; None where it never changes."""
        return None

    @on(FieldRow.Edited)
    def _edited(self, event: FieldRow.Edited) -> None:
        event.stop()
        self.changed(event.row.spec.name, event.value, event.problem)

    def changed(self, field: str, value: FieldValue, problem: str | None) -> None:
        """Tell the screen; a part whose fields exclude one another says more here."""
        self.post_message(self.Changed(self, field, value, problem))
