from __future__ import annotations

from moai_tui.widgets.form.field_help import FieldHelp
from moai_tui.widgets.form.field_row import FieldRow, RowState
from moai_tui.widgets.form.field_spec import FieldSpec
from tests.moai_tui.widget_app import WidgetApp

SPEC = FieldSpec(name="steps", label="Steps", help="Optimizer steps.")


async def test_help_then_the_default_with_its_whole_reason() -> None:
    app = WidgetApp(FieldHelp())
    async with app.run_test(size=(60, 3)):
        row = FieldRow(SPEC)
        row.state = RowState(default="300", hint="fits into 100 CPU seconds")
        app.widget.explain(row)
        assert app.widget.plain.split("\n") == [
            "Optimizer steps.",
            "Default 300: fits into 100 CPU seconds",
        ]


async def test_a_mistake_takes_the_place_of_the_help_over_both_lines() -> None:
    app = WidgetApp(FieldHelp())
    async with app.run_test(size=(40, 3)):
        row = FieldRow(SPEC)
        row.state = RowState(problem="0 cannot be used, a run of no steps trains nothing")
        app.widget.explain(row)
        first, second = app.widget.plain.split("\n")
        assert first.startswith("✗ Steps: 0 cannot be used")
        assert second.endswith("trains nothing")


async def test_what_is_said_is_literal() -> None:
    app = WidgetApp(FieldHelp())
    async with app.run_test(size=(40, 3)):
        app.widget.say("\x1b]0;title\x07 [b]")
        assert "\x1b" not in app.widget.plain
        assert "[b]" in app.widget.plain
