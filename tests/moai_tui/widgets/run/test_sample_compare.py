"""Before and after, side by side."""

from __future__ import annotations

from moai_tui.widgets.glyphs import UNICODE
from moai_tui.widgets.run.sample_compare import SampleCompare
from tests.moai_tui import scripted_run
from tests.moai_tui.widget_app import WidgetApp, text_of
from trainer_core.run.record.events import RunEnded, Sample, SamplePair
from trainer_core.run.record.view import RunView


def shown(view: RunView) -> SampleCompare:
    widget = SampleCompare(signs=UNICODE)
    widget.show(view)
    return widget


def test_before_and_after_stand_beside_each_other() -> None:
    text = text_of(shown(scripted_run.finished().view()).build(80, 20)).split("\n")
    assert text[0].endswith("1 of 3  [ ] other prompts")
    assert text[2].strip() == "Return the number of items in the list `values`."
    row = next(row for row in text if "before training" in row)
    assert row.index("after step 600") > 38
    assert any("the the self" in row and "def count(values):" in row for row in text)
    assert "reference" in text
    assert "    return len(values)" in text


def test_a_wide_panel_puts_the_reference_beside_them() -> None:
    text = text_of(shown(scripted_run.finished().view()).build(140, 20)).split("\n")
    row = next(row for row in text if "before training" in row)
    assert "reference" in row


def test_indentation_of_code_is_kept() -> None:
    text = text_of(shown(scripted_run.finished().view()).build(80, 20))
    assert "│     for value in values:" in text
    assert "│         return value" in text


def test_before_the_end_there_is_only_one_side() -> None:
    text = text_of(shown(scripted_run.training(5).view()).build(80, 20))
    assert "before training" in text
    assert "not written yet" in text


def test_without_samples_it_says_when_they_come() -> None:
    assert "before step 1" in text_of(shown(RunView()).build(80, 20))


def test_blanks_are_named_and_squeezed() -> None:
    view = RunView()
    pairs = (SamplePair(prompt="p", text=" \n\n \n"),)
    view.apply(Sample(step=0, samples=pairs))
    view.apply(Sample(step=9, samples=(SamplePair(prompt="p", text="a\n\n\n\nb"),)))
    rows = text_of(shown(view).build(80, 20)).split("\n")
    assert "nothing but blanks" in rows[4]
    assert [row[41:].strip() for row in rows[4:7]] == ["a", "", "b"]


def test_a_run_that_ended_without_a_second_sample_says_so() -> None:
    story = scripted_run.training(5)
    story.say(RunEnded(state="stopped", exit_code=0))
    assert "none was written" in text_of(shown(story.view()).build(80, 20))


async def test_the_other_prompts_are_a_turn_away() -> None:
    widget = shown(scripted_run.finished().view())
    async with WidgetApp(widget).run_test(size=(80, 20)):
        widget.turn(1)
        assert "2 of 3" in widget.plain
        assert "list `rows`" in widget.plain
        widget.turn(-2)
        assert "3 of 3" in widget.plain


async def test_long_texts_scroll_and_say_how_much_is_left() -> None:
    view = RunView()
    long = "\n".join(f"row {number}" for number in range(40))
    view.apply(Sample(step=0, samples=(SamplePair(prompt="p", text=long),)))
    widget = shown(view)
    async with WidgetApp(widget).run_test(size=(60, 12)):
        assert "more" in widget.plain.split("\n")[-1]
        widget.scroll_lines(999)
        assert "row 39" in widget.plain
        assert "more" not in widget.plain
        widget.scroll_lines(-999)
        assert widget.top == 0


def test_what_a_model_writes_is_never_obeyed() -> None:
    view = RunView()
    pair = SamplePair(prompt="\x1b[2J[b]", text="\x1b]52;c;x\x07 [/]", reference="\u202eabc")
    view.apply(Sample(step=0, samples=(pair,)))
    text = text_of(shown(view).build(80, 20))
    assert "␛[2J[b]" in text
    assert "␛]52;c;x␇ [/]" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
