"""Round limits that rarely move."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moai_tui.widgets.run.axis import axis_for, nice_step, step_limit, tick_labels


def test_limits_are_rounded_outwards() -> None:
    axis = axis_for(1.62, 7.48, ticks=3)
    assert (axis.low, axis.high, axis.ticks) == (1.0, 8.0, (2.0, 4.0, 6.0, 8.0))


def test_noise_does_not_move_the_limits() -> None:
    assert axis_for(1.62, 7.48, ticks=4) == axis_for(1.66, 7.41, ticks=4)


def test_a_flat_line_gets_room_around_it() -> None:
    axis = axis_for(2.0, 2.0, ticks=4)
    assert axis.low < 2.0 < axis.high


def test_equal_ratios_get_equal_room_on_a_log_axis() -> None:
    axis = axis_for(1.0, 100.0, ticks=4, logarithmic=True)
    assert axis.logarithmic
    assert axis.place(10.0) == pytest.approx(0.5)


def test_a_log_axis_needs_values_above_zero() -> None:
    assert not axis_for(0.0, 5.0, ticks=4, logarithmic=True).logarithmic


@given(
    low=st.floats(1e-6, 1e6), ratio=st.floats(1.0, 1e6), ticks=st.integers(2, 12),
    logarithmic=st.booleans(),
)  # fmt: skip
def test_every_value_has_a_place_and_every_tick_a_label(
    low: float, ratio: float, ticks: int, logarithmic: bool
) -> None:
    axis = axis_for(low, low * ratio, ticks=ticks, logarithmic=logarithmic)
    assert axis.low <= low * (1 + 1e-6)
    assert axis.high >= low * ratio * (1 - 1e-6)
    assert 1 <= len(axis.ticks) <= 3 * ticks + 3
    assert list(axis.ticks) == sorted(set(axis.ticks))
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)
    labels = tick_labels(axis.ticks)
    assert len(set(labels)) == len(axis.ticks)


def test_labels_have_just_enough_digits() -> None:
    assert tick_labels((2.0, 2.5, 3.0)) == ("2.0", "2.5", "3.0")
    assert tick_labels((0.0, 2000.0)) == ("0", "2,000")


def test_steps_between_ticks_read_well() -> None:
    assert [nice_step(rough) for rough in (0.11, 1.0, 1.7, 2.2, 3.0, 7.0)] == [
        0.2, 1.0, 2.0, 2.5, 5.0, 10.0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("last", "total", "limit"),
    [(1, 1000, 8), (63, 1000, 63), (64, 1000, 125), (499, 1000, 500), (501, 1000, 1000),
     (1000, 1000, 1000), (3, 8, 8), (100, None, 128), (50, 40, 64), (0, None, 16)],
)  # fmt: skip
def test_a_curve_fills_half_of_its_axis(last: int, total: int | None, limit: int) -> None:
    assert step_limit(last, total) == limit
