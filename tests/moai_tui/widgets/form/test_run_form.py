from __future__ import annotations

from moai_tui.widgets.form.field_row import FieldRow
from moai_tui.widgets.form.form_state import FormState
from moai_tui.widgets.form.run_form import RunForm
from tests.moai_tui.form_facts import resolved
from tests.moai_tui.widget_app import WidgetApp
from trainer_core.run.config.run_config import RunConfig


async def test_every_part_draws_from_one_state() -> None:
    app = WidgetApp(RunForm())
    async with app.run_test(size=(80, 30)) as pilot:
        app.widget.state = FormState(draft=RunConfig(seed=7), resolved=resolved(RunConfig()))
        await pilot.pause()
        form = app.query_one(RunForm)
        assert form.row("seed").editor.value == "7"
        assert form.row("learning_rate").editor.placeholder == "0.003"
        assert form.row("no such field") is None


async def test_the_topmost_problem_is_first_as_one_reads() -> None:
    app = WidgetApp(RunForm())
    async with app.run_test(size=(80, 30)):
        form = app.query_one(RunForm)
        assert form.topmost({"seed": "s", "worker.threads": "t", "model": "m"}) == ("model", "m")
        assert form.topmost({"worker.threads": "t"}) == ("worker.threads", "t")
        assert form.topmost({"": "whole"}) == ("", "whole")
        assert form.topmost({}) is None


async def test_going_to_a_hidden_field_unfolds_it_and_folding_keeps_the_focus() -> None:
    app = WidgetApp(RunForm())
    async with app.run_test(size=(80, 30)) as pilot:
        form = app.query_one(RunForm)
        row = await form.go_to("worker.threads")
        await pilot.pause()
        assert isinstance(row, FieldRow)
        assert form.unfolded
        assert app.focused is row.editor
        form.fold()
        await pilot.pause()
        assert not form.unfolded
        assert app.focused is form.query_one("#unfold")
