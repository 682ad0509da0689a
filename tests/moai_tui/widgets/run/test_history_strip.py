"""A history in one row."""

from __future__ import annotations

from moai_tui.widgets.glyphs import ASCII, UNICODE
from moai_tui.widgets.run.history_strip import CAPACITY, History, limits, strip_text


def history(values: list[float | None]) -> History:
    made = History()
    for value in values:
        made.append(value)
    return made


def test_low_and_high_have_their_signs() -> None:
    curve = history([0.0, 50.0, 100.0]).curve
    assert strip_text(curve, 6, UNICODE, 0, 100) == "▁▄▇   "
    assert strip_text(curve, 3, ASCII, 0, 100) == "_-#"


def test_until_a_merge_only_the_newest_cell_changes() -> None:
    made = history([50.0] * 10)
    before = strip_text(made.curve, 20, UNICODE, 0, 100)
    made.append(100.0)
    after = strip_text(made.curve, 20, UNICODE, 0, 100)
    assert [x for x in range(20) if before[x] != after[x]] == [10]


def test_a_long_history_is_bounded_and_fills_at_least_half() -> None:
    made = history([float(n % 100) for n in range(10_000)])
    assert len(made.curve) <= CAPACITY
    assert len(strip_text(made.curve, 20, UNICODE, 0, 100).rstrip()) >= 8


def test_unknown_values_leave_no_sign() -> None:
    assert strip_text(history([None, None]).curve, 4, UNICODE, 0, 100) == "    "
    assert strip_text(history([None, 100.0]).curve, 4, UNICODE, 0, 100) == "▇   "


def test_values_outside_stay_on_the_edge() -> None:
    assert strip_text(history([-5.0, 500.0]).curve, 2, UNICODE, 0, 100) == "▁▇"


def test_limits_have_some_room() -> None:
    low, high = limits(history([10.0, 20.0]).curve)
    assert low < 10 < 20 < high
    assert limits(History().curve) == (0.0, 1.0)
