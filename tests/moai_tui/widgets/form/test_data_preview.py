from __future__ import annotations

import msgspec

from moai_tui.widgets.form.data_preview import DataPreview, data_lines
from moai_tui.widgets.form.form_state import FormState
from tests.moai_tui.form_facts import BROKEN_REPORT, REPORT
from tests.moai_tui.widget_app import WidgetApp, text_of
from trainer_core.run.config.data_report import DataReport, RenderedRow
from trainer_core.run.config.run_config import DataConfig, RunConfig

KNOWN = FormState(report=REPORT)


def text(state: FormState, width: int = 76, height: int = 7) -> str:
    return text_of(data_lines(state, width, height))


def trained(state: FormState, width: int, height: int) -> str:
    """Everything that is drawn as trained."""
    lines = data_lines(state, width, height)
    return "".join(text for line in lines for text, style in line if style == "trained")


def test_a_small_room_holds_format_counts_losses_and_three_rows() -> None:
    lines = text(KNOWN).split("\n")
    assert lines[0] == "instruction · 8,244 rows, 168 held out · 702k of 1.12M tokens trained"
    assert lines[1].startswith("prompts as alpaca-short · columns instruction, input, output")
    assert lines[2] == "! 37 rows longer than 256 tokens dropped"
    assert len(lines) == 6
    assert "### Response: def dirname(p):" in lines[3]


def test_only_the_answer_is_marked_as_trained() -> None:
    for width, height in ((76, 7), (60, 40), (160, 20)):
        marked = trained(KNOWN, width, height)
        assert "def dirname(p):" in marked
        assert "Instruction" not in marked


def test_training_on_the_prompt_marks_it_too() -> None:
    draft = RunConfig(data=DataConfig(train_on_prompt=True))
    assert "Instruction" in trained(FormState(draft=draft, report=REPORT), 60, 40)


def test_a_wide_room_sets_the_rows_side_by_side() -> None:
    lines = text(KNOWN, 120, 20).split("\n")
    heads = next(line for line in lines if "row 1" in line)
    assert "row 2" in heads
    assert "row 3" in heads
    assert all(len(line) <= 120 for line in lines)


def test_a_broken_row_is_placed_by_file_and_row() -> None:
    assert "✗ notes.jsonl:17: output: is missing; add it or skip bad rows" in text(
        FormState(report=BROKEN_REPORT)
    )


def test_more_broken_rows_than_are_listed_are_counted() -> None:
    report = msgspec.structs.replace(BROKEN_REPORT, errors=BROKEN_REPORT.errors * 4, error_count=90)
    assert "87 more like these" in text(FormState(report=report))


def test_reading_a_problem_and_nothing_yet_are_said() -> None:
    draft = RunConfig(dataset="big.jsonl")
    assert text(FormState(draft=draft, reading_seconds=3.0)) == "reading big.jsonl … 3 s"
    assert text(FormState(data_problem="gone")) == "✗ gone"
    assert text(FormState()) == "no dataset read yet"


def test_text_of_the_data_is_drawn_literally() -> None:
    hostile = RenderedRow(prompt="\x1b]0;x\x07 [red]p[/]", answer="\x1b[2Ja\tb")
    report = DataReport(
        source="x",
        format="text",
        prompt_format="",
        columns=("\x1b[1m",),
        rows=1,
        rendered=(hostile,),
    )
    for width, height in ((76, 7), (60, 40), (160, 20)):
        drawn = text(FormState(report=report), width, height)
        assert "\x1b" not in drawn
        assert "\t" not in drawn
        assert "[red]p[/]" in drawn


def test_columns_that_are_used_as_something_else_say_so() -> None:
    report = msgspec.structs.replace(
        REPORT, columns=("q", "a", "id"), column_roles={"instruction": "q", "output": "a"}
    )
    assert "columns q as instruction, a as output and 1 more" in text(FormState(report=report))


async def test_the_panel_draws_what_it_is_told() -> None:
    app = WidgetApp(DataPreview())
    async with app.run_test(size=(100, 30)) as pilot:
        app.widget.state = KNOWN
        await pilot.pause()
        assert app.widget.plain.startswith("─ Data ─")
        assert "underlined: trained" in app.widget.plain
        style = app.widget.get_component_rich_style("lines--trained")
        assert style.underline
