"""The curve a user came to see."""

from __future__ import annotations

import math
from dataclasses import replace

from moai_tui.screens.run import chart_data
from moai_tui.widgets.glyphs import ASCII, UNICODE, Glyphs
from moai_tui.widgets.run.curve_plot import ChartData, Overlay
from moai_tui.widgets.run.loss_chart import LossChart
from tests.moai_tui.scripted_run import training
from tests.moai_tui.widget_app import WidgetApp, text_of
from trainer_core.run.record.curve import Curve


def chart(steps: int = 300, signs: Glyphs = UNICODE) -> LossChart:
    widget = LossChart(signs=signs)
    widget.show(chart_data(training(steps).view(), None))
    return widget


def test_limits_labels_legend_and_marks() -> None:
    rows = text_of(chart().build(90, 16)).split("\n")
    assert len(rows) == 16
    assert rows[0].startswith("Loss ─")
    for word in ("checkpoint", "train", "smoothed", "eval"):
        assert word in rows[0]
    assert [row[:4].strip(" ┈⡀o") for row in rows if "┤" in row] == ["8┤", "6┤", "4┤", "2┤"]
    assert rows[-2].count("▲") == 5
    assert rows[-1].split() == ["0", "steps", "100", "200", "300"]
    assert all(len(row) <= 90 for row in rows)


def test_the_curve_falls_from_the_top_left_to_the_bottom_right() -> None:
    rows = text_of(chart().build(90, 16)).split("\n")[1:-2]
    braille = [[x for x, sign in enumerate(row) if "⠀" < sign <= "⣿"] for row in rows]
    drawn = [(min(columns), max(columns)) for columns in braille if columns]
    assert drawn[0][1] < 12
    assert drawn[-1][1] > 80


def test_a_small_panel_still_has_three_labels() -> None:
    rows = text_of(chart().build(78, 9)).split("\n")
    assert sum("┤" in row for row in rows) >= 3


def test_a_narrow_panel_explains_less_and_never_overflows() -> None:
    for width in range(24, 80, 7):
        rows = text_of(chart().build(width, 10)).split("\n")
        assert max(map(len, rows)) <= width


def test_before_step_1_it_says_so() -> None:
    assert "step 1" in text_of(LossChart(signs=UNICODE).build(60, 10))


def test_the_log_scale_spreads_the_end() -> None:
    widget = chart()
    linear = text_of(widget.build(90, 16))
    widget.logarithmic = True
    logarithmic = text_of(widget.build(90, 16))
    assert "Loss (log)" in logarithmic
    assert linear.split("\n")[1:] != logarithmic.split("\n")[1:]


def test_the_cursor_reads_the_values_of_its_step() -> None:
    widget = chart()
    widget.build(90, 16)
    widget.move_cursor(1)
    assert widget.cursor_step is None
    widget.move_cursor(-1)
    assert widget.cursor_step == 300
    widget.move_cursor(-5)
    assert widget.cursor_step is not None
    assert 275 <= widget.cursor_step < 300
    heading = text_of(widget.build(90, 16)).split("\n")[0]
    assert f"step {widget.cursor_step}" in heading
    assert "train 2." in heading
    assert "smoothed 2." in heading
    assert "at 240" in heading
    widget.move_cursor(99)
    assert widget.cursor_step is None


def test_a_cursor_on_a_thinned_curve_reads_the_range_of_its_column() -> None:
    curve = Curve(64)
    for step in range(1, 1000):
        curve.append(step, 3.0 + step % 2)
    widget = LossChart(signs=UNICODE)
    widget.show(ChartData(raw=curve, smooth=curve, total_steps=1000))
    widget.cursor_step = 500
    assert "3.0000–4.0000" in text_of(widget.build(90, 12))


def test_losses_that_are_not_numbers_are_left_out() -> None:
    curve = Curve()
    for step, loss in enumerate((4.0, math.nan, math.inf, 3.0), start=1):
        curve.append(step, loss)
    widget = LossChart(signs=UNICODE)
    widget.show(ChartData(raw=curve))
    assert "4.0" in text_of(widget.build(60, 12))


def test_in_ascii_everything_is_ascii() -> None:
    widget = chart(signs=ASCII)
    text = text_of(widget.build(90, 16))
    assert text.isascii()
    assert "*" in text


async def test_a_new_step_draws_few_lines() -> None:
    widget = chart(310)
    async with WidgetApp(widget).run_test(size=(90, 16)) as pilot:
        await pilot.pause()
        before = widget.lines
        for step in range(311, 321):
            widget.show(chart_data(training(step).view(), None))
        pairs = zip(before, widget.lines, strict=True)
        assert 1 <= sum(old != new for old, new in pairs) <= 4


async def test_zoom_halves_the_steps_around_the_cursor_else_the_newest() -> None:
    widget = chart(300)
    async with WidgetApp(widget).run_test(size=(90, 16)) as pilot:
        whole = widget.plain.split("\n")[-1].split()
        widget.zoom_by(2)
        await pilot.pause()
        rows = widget.plain.split("\n")
        assert rows[0].startswith("Loss 4× ─")
        assert rows[-1].split() == ["240", "260", "280", "300"]
        widget.cursor_step = 100
        assert widget.plain.split("\n")[-1].split()[0] == "40"
        assert "step 100" in widget.plain
        widget.zoom_by(-9)
        assert widget.plain.split("\n")[-1].split() == whole
        widget.zoom_by(99)
        assert widget.zoom == 4, "no fewer than 16 steps"


def test_an_earlier_run_is_named_and_read_out() -> None:
    widget = chart()
    earlier = training(200).view()
    data = chart_data(training(300).view(), None)
    widget.show(replace(data, others=(Overlay("first", earlier.smoothed_loss),)))
    assert "b first" in text_of(widget.build(90, 16)).split("\n")[0]
    widget.set_reactive(LossChart.cursor_step, 100)
    assert "  b 3.09" in text_of(widget.build(100, 16)).split("\n")[0]
