"""Every part of the form one below the other, and what the screen asks of them as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.reactive import reactive

from moai_tui.widgets.form.action_line import ActionLine
from moai_tui.widgets.form.advanced_form import AdvancedForm
from moai_tui.widgets.form.batch_form import BatchForm
from moai_tui.widgets.form.dataset_form import DatasetForm
from moai_tui.widgets.form.field_row import FieldRow
from moai_tui.widgets.form.form_part import FormPart
from moai_tui.widgets.form.form_state import FormState
from moai_tui.widgets.form.identity_form import IdentityForm
from moai_tui.widgets.form.length_form import LengthForm
from moai_tui.widgets.form.model_form import ModelForm
from moai_tui.widgets.form.size_picker import SizePicker


class RunForm(VerticalScroll, can_focus=False):
    """The parts, the start and the fold; it scrolls only when the fold is open."""

    DEFAULT_CSS = """
    RunForm { height: auto; scrollbar-size-vertical: 1; padding: 0 1; }
    RunForm #actions { height: 1; padding: 0 0 0 18; }
    RunForm AdvancedForm { display: none; }
    RunForm.-unfolded AdvancedForm { display: block; }
    """

    PARTS: ClassVar[tuple[type[FormPart], ...]] = (
        ModelForm,
        DatasetForm,
        SizePicker,
        BatchForm,
        LengthForm,
        IdentityForm,
    )

    state: reactive[FormState] = reactive(FormState(), init=False, repaint=False)
    """What the screen knows; bound to the screen's own and to every part's."""

    def compose(self) -> ComposeResult:
        """The parts, then the two lines that do something, then what is folded away."""
        for part in self.PARTS:
            yield part().data_bind(RunForm.state)
        with Horizontal(id="actions"):
            yield ActionLine("Start", "ctrl+s", id="start", classes="-strong")
            yield ActionLine("▸ Advanced", "ctrl+o", id="unfold")
        yield AdvancedForm().data_bind(RunForm.state)

    @property
    def unfolded(self) -> bool:
        """Whether the advanced fields are shown."""
        return self.has_class("-unfolded")

    def row(self, field: str) -> FieldRow | None:
        """Return the row of a field; None for one that has no row, or none yet."""
        return next((row for row in self.query(FieldRow) if row.spec.name == field), None)

    def topmost(self, problems: Mapping[str, str]) -> tuple[str, str] | None:
        """Return the first wrong field and its sentence as one reads; None where all is well."""
        for part in self.query(FormPart):
            for spec in part.SPECS:
                if spec.name in problems:
                    return spec.name, problems[spec.name]
        return next(iter(problems.items()), None)

    def show_start(self, text: str) -> None:
        """Say on the start what it is doing."""
        self.query_one("#start", ActionLine).show(text)

    def focus_first(self) -> None:
        """Go to the topmost field."""
        self.query(FieldRow).first(FieldRow).editor.focus()

    async def go_to(self, field: str) -> FieldRow | None:
        """Focus a field, unfolding what hides it; None where it has no row."""
        hidden = any(spec.name == field for spec in AdvancedForm.SPECS)
        if hidden:
            await self.unfold()
        row = self.row(field)
        if row is not None:
            row.editor.focus()
            # Rows that were just made have no place yet, so Textual's own scrolling misses them.
            self.call_after_refresh(self.scroll_to_widget, row, animate=False, top=hidden)
        return row

    async def unfold(self) -> None:
        """Show the advanced fields."""
        await self.query_one(AdvancedForm).unfold()
        self.query_one("#unfold", ActionLine).show("▾ Advanced")
        self.add_class("-unfolded")

    def fold(self) -> None:
        """Hide the advanced fields; the focus goes to the line that shows them again."""
        self.query_one("#unfold", ActionLine).focus()
        self.query_one("#unfold", ActionLine).show("▸ Advanced")
        self.remove_class("-unfolded")
