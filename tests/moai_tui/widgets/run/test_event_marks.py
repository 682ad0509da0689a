"""Marks on the axis."""

from __future__ import annotations

from moai_tui.widgets.glyphs import ASCII, UNICODE
from moai_tui.widgets.run.event_marks import Mark, mark_row
from tests.moai_tui.widget_app import styles_of, text_of


def test_each_kind_has_its_own_sign() -> None:
    marks = [Mark(2, "checkpoint", ""), Mark(4, "warning", ""), Mark(6, "resumed", "")]
    row = mark_row(marks, int, 10, UNICODE)
    assert text_of([row]) == "──▲─!─»───"
    assert styles_of(row)["!"] == "warn"


def test_of_two_in_one_column_the_graver_is_shown() -> None:
    marks = [Mark(3, "error", ""), Mark(3, "checkpoint", "")]
    row = mark_row(marks, int, 5, ASCII)
    assert text_of([row]) == "---!-"
    assert styles_of(row)["!"] == "bad"


def test_a_mark_beyond_the_edge_stays_on_it() -> None:
    assert text_of([mark_row([Mark(99, "checkpoint", "")], int, 4, ASCII)]) == "---^"
