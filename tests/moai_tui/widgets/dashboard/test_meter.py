from __future__ import annotations

import pytest

from moai_tui.widgets.dashboard.meter import History, bar, history_line, load_style


def text_of(pieces):
    return "".join(text for text, _ in pieces)


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [
        (0.0, "────"),
        (0.5, "━━──"),
        (0.63, "━━╸─"),
        (1.0, "━━━━"),
        (7.0, "━━━━"),
        (-1.0, "────"),
        (None, "────"),
    ],
)
def test_a_bar_fills_in_halves_and_stays_in_its_width(fraction, expected):
    assert text_of(bar(fraction, 4, "low")) == expected


def test_history_is_newest_on_the_right_and_never_too_long():
    history = History(length=5)
    for value in (0.0, 50.0, 100.0):
        history.add(value)
    assert text_of(history_line(history.values, 5, "mid")) == "  ▁▄▇"
    for _ in range(9):
        history.add(None)
    assert len(history.values) == 5
    assert text_of(history_line(history.values, 3, "mid")) == "   "
    assert text_of(history_line([-5.0, 250.0], 2, "mid")) == "▁▇"


def test_load_is_told_in_three_steps():
    assert [load_style(load) for load in (None, 0, 9.9, 10, 79.9, 80, 100)] == (
        ["faint", "low", "low", "mid", "mid", "high", "high"]
    )
