from __future__ import annotations

from textual import on

from moai_tui.widgets.form.batch_form import BatchForm
from moai_tui.widgets.form.field_row import FieldRow
from moai_tui.widgets.form.form_part import FormPart
from moai_tui.widgets.form.form_state import FormState
from tests.moai_tui.form_facts import REASONS, resolved
from tests.moai_tui.widget_app import WidgetApp
from trainer_core.run.config.run_config import RunConfig


class PartApp(WidgetApp):
    """Collects what the part tells the screen."""

    def __init__(self, part: FormPart) -> None:
        super().__init__(part)
        self.changes: list[tuple[str, object, str | None]] = []

    @on(FormPart.Changed)
    def note(self, event: FormPart.Changed) -> None:
        self.changes.append((event.field, event.value, event.problem))


async def test_one_state_down_fills_every_row() -> None:
    app = PartApp(BatchForm())
    async with app.run_test(size=(80, 5)):
        app.widget.state = FormState(
            draft=RunConfig(global_batch_size=16),
            resolved=resolved(RunConfig()),
            reasons=dict(REASONS),
            problems={"sequence_length": "use 1024 or less"},
        )
        length, batch, rate = app.query(FieldRow)
        assert length.problem == "use 1024 or less"
        assert (batch.editor.value, batch.state.changed) == ("16", True)
        assert batch.state.hint == ""
        assert (rate.editor.placeholder, rate.state.hint) == (
            "0.003",
            "fresh weights, full: 3e-3 at 2 M",
        )


async def test_one_message_up_says_field_and_value() -> None:
    app = PartApp(BatchForm())
    async with app.run_test(size=(80, 5)) as pilot:
        app.query(FieldRow).last().editor.focus()
        await pilot.press(*"1e-4")
        await pilot.pause()
        assert app.changes[-1] == ("learning_rate", 1e-4, None)
        assert app.changes[1][2] == "'1e' is no number; write one like 3e-4"


async def test_a_reason_does_not_repeat_the_value_before_it() -> None:
    app = PartApp(BatchForm())
    async with app.run_test(size=(80, 5)):
        app.widget.state = FormState(
            resolved=resolved(RunConfig()), reasons={"learning_rate": "3e-03: usual for 2 M"}
        )
        assert app.query(FieldRow).last().state.hint == "usual for 2 M"
