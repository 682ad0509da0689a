"""A plot that grew equals a plot drawn from scratch, at a fraction of the work."""

from __future__ import annotations

import random

import pytest

from moai_tui.widgets.glyphs import ASCII, UNICODE
from moai_tui.widgets.run.axis import axis_for
from moai_tui.widgets.run.curve_plot import ChartData, Frame, Layer, Overlay, Plot, since
from tests.moai_tui.widget_app import text_of
from trainer_core.run.record.curve import Curve

AXIS = axis_for(0, 10, ticks=4)


def frame(width: int = 40, height: int = 8, limit: int = 1000, start: int = 0) -> Frame:
    return Frame(width, height, AXIS, limit, start)


@pytest.mark.parametrize("start", [0, 700])
@pytest.mark.parametrize("line", [True, False])
@pytest.mark.parametrize("width", [7, 40, 180])
def test_a_layer_that_grew_equals_one_drawn_at_once(line: bool, width: int, start: int) -> None:
    chance = random.Random(3)
    curve, grown = Curve(64), Layer(line=line)
    step = 0
    while step < 1000:
        for _ in range(chance.choice((1, 1, 2, 7, 40))):
            step += 1
            if step <= 1000:
                curve.append(step, 5 + chance.gauss(0, 1.5))
        grown.draw(curve, frame(width, start=start))
        fresh = Layer(line=line)
        fresh.draw(curve, frame(width, start=start))
        assert grown.dots.columns == fresh.dots.columns


def test_a_curve_that_was_cut_back_is_drawn_anew() -> None:
    curve, grown = Curve(64), Layer(line=True)
    for step in range(1, 300):
        curve.append(step, 8.0)
    grown.draw(curve, frame())
    for step in range(100, 320):
        curve.append(step, 2.0)
    grown.draw(curve, frame())
    fresh = Layer(line=True)
    fresh.draw(curve, frame())
    assert grown.dots.columns == fresh.dots.columns


def test_a_new_step_touches_only_the_lines_of_its_column() -> None:
    curve, plot = Curve(), Plot()
    for step in range(1, 500):
        curve.append(step, 5.0)
    data = ChartData(raw=curve, smooth=curve, total_steps=1000)
    plot.draw(data, frame(), None, UNICODE)
    before = list(plot.lines)
    for step in range(500, 530):
        curve.append(step, 5.0)
    plot.draw(data, frame(), None, UNICODE)
    changed = [y for y, (old, new) in enumerate(zip(before, plot.lines, strict=True))
               if old is not new]  # fmt: skip
    assert changed == [frame().row(5.0)]


def test_the_work_for_one_more_step_does_not_grow_with_the_run() -> None:
    """Of up to 512 buckets a redraw walks the few that share the newest dot columns."""
    curve = Curve()
    for step in range(1, 100_001):
        curve.append(step, 5.0)
    last = next(reversed(curve.buckets))
    walked = since(curve, last, frame(118, 27, 100_000))
    assert len(curve) > 256
    assert 2 <= len(walked) <= 8


def test_eval_points_and_cursor_stand_over_the_curve() -> None:
    plot = Plot()
    data = ChartData(evals=((0, 10.0), (1000, 0.0)), total_steps=1000)
    plot.draw(data, frame(), 500, UNICODE)
    rows = text_of(plot.lines).split("\n")
    assert rows[0].startswith("o")
    assert rows[-1].endswith("o")
    assert all(row.ljust(40)[frame().column(500)] == "│" for row in rows)


def test_in_ascii_the_curves_differ_by_their_signs() -> None:
    raw, smooth = Curve(), Curve()
    for step in range(1, 1000, 20):
        raw.append(step, 2.0)
        smooth.append(step, 8.0)
    plot = Plot()
    plot.draw(ChartData(raw=raw, smooth=smooth), frame(), None, ASCII)
    text = text_of(plot.lines)
    assert text.isascii()
    assert "****" in text
    assert "." in text


def test_a_window_shows_its_part_and_lets_lines_come_in_from_outside() -> None:
    curve = Curve(16)
    for step in range(0, 1001, 100):
        curve.append(step, 10 - step / 100)
    layer, window = Layer(line=True), Frame(20, 8, AXIS, 460, 340)
    layer.draw(curve, window)
    assert all(layer.dots.columns), "between two points outside there is a line"
    plot = Plot()
    plot.draw(ChartData(smooth=curve, evals=((100, 5.0), (400, 5.0))), window, None, UNICODE)
    assert text_of(plot.lines).count("o") == 1


def test_other_runs_differ_by_letter_and_dash_not_only_by_colour() -> None:
    own, low, long = Curve(), Curve(), Curve()
    for step in range(1, 1001):
        own.append(step, 8.0)
        low.append(step, 2.0)
    for step in range(1, 5001):
        long.append(step, 5.0)
    others = (Overlay("low", low), Overlay("long", long))
    data = ChartData(smooth=own, others=others, total_steps=1000)
    plot = Plot()
    plot.draw(data, frame(), None, UNICODE)
    rows = text_of(plot.lines).split("\n")
    ends = [(letter, row.index(letter)) for row in rows for letter in "abc" if letter in row]
    assert ends == [("a", 39), ("c", 39), ("b", 39)], "a run that goes on ends at the edge"
    braille = [{sign for sign in row if "\u2800" < sign <= "\u28ff"} for row in rows]
    drawn = [signs for signs in braille if signs]
    assert len(drawn) == 3
    assert len({frozenset(signs) for signs in drawn}) == 3
    ascii_plot = Plot()
    ascii_plot.draw(data, frame(), None, ASCII)
    text = text_of(ascii_plot.lines)
    assert "****" in text
    assert "bb bb" in text
