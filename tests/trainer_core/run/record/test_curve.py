"""A curve of any length in bounded memory."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer_core.run.record.curve import Curve


def curve_of(values: list[float], capacity: int = 8) -> Curve:
    curve = Curve(capacity)
    for step, value in enumerate(values, start=1):
        curve.append(step, value)
    return curve


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300))
def test_spikes_survive_and_nothing_is_counted_twice(values: list[float]) -> None:
    curve = curve_of(values)
    buckets = [bucket for _, bucket in curve.points()]
    assert len(curve) <= 8
    assert min(bucket.low for bucket in buckets) == min(values)
    assert max(bucket.high for bucket in buckets) == max(values)
    assert sum(bucket.count for bucket in buckets) == len(values)
    assert math.fsum(bucket.total for bucket in buckets) == pytest.approx(
        math.fsum(values), rel=1e-9, abs=1e-3
    )
    assert buckets[-1].last == values[-1]


def test_a_million_steps_fit_into_a_few_hundred_buckets() -> None:
    curve = curve_of([1.0] * 100_000, capacity=512)
    assert 256 <= len(curve) <= 512
    middles = [middle for middle, _ in curve.points()]
    assert middles == sorted(middles)
    assert curve.last_step == 100_000


def test_keys_stand_in_rising_order() -> None:
    """Whoever draws only the newest buckets walks them backwards."""
    curve = curve_of([float(n) for n in range(100)])
    curve.append(60, 1.0)
    assert list(curve.buckets) == sorted(curve.buckets)


def test_a_step_that_comes_again_cuts_the_curve_back() -> None:
    curve = Curve()
    for step in range(1, 11):
        curve.append(step, 1.0)
    generation = curve.generation
    curve.append(5, 9.0)
    assert [(step, bucket.last) for step, bucket in curve.points()] == [
        (1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (4.0, 1.0), (5.0, 9.0),
    ]  # fmt: skip
    assert curve.generation > generation


def test_growing_at_the_end_is_no_new_generation() -> None:
    curve = curve_of([1.0] * 4)
    generation = curve.generation
    curve.append(5, 1.0)
    assert curve.generation == generation
    for step in range(6, 20):
        curve.append(step, 1.0)
    assert curve.generation > generation


def test_what_is_not_a_number_is_not_drawn_but_remembered() -> None:
    curve = curve_of([1.0, math.nan, math.inf, 2.0])
    assert sum(bucket.count for _, bucket in curve.points()) == 2
    curve.append(5, math.nan)
    assert curve.last_step == 5
    assert math.isnan(curve.last_value or 0.0)


def test_the_nearest_bucket() -> None:
    curve = Curve()
    assert curve.nearest(3) is None
    curve.append(2, 1.0)
    curve.append(10, 5.0)
    for step, value in ((0, 1.0), (2, 1.0), (3, 1.0), (9, 5.0), (99, 5.0)):
        found = curve.nearest(step)
        assert found is not None
        assert found.last == value


def test_a_snapshot_stays_as_it_is() -> None:
    curve = curve_of([1.0] * 20)
    copy = curve.snapshot()
    before = [(middle, bucket.count, bucket.high) for middle, bucket in copy.points()]
    for step in range(21, 60):
        curve.append(step, 7.0)
    assert [(middle, bucket.count, bucket.high) for middle, bucket in copy.points()] == before
    assert (copy.last_step, copy.generation) == (20, copy.generation)
    assert curve.generation > copy.generation


@given(st.lists(st.floats(-1e6, 1e6), max_size=200), st.integers(0, 200))
def test_many_at_once_are_the_same_as_one_by_one(values: list[float], cut: int) -> None:
    single = curve_of(values)
    whole = curve_of(values[:cut])
    rest = values[cut:]
    whole.extend(range(len(values) - len(rest) + 1, len(values) + 1), rest)
    assert (whole.span, whole.last_step, whole.last_value) == (
        single.span,
        single.last_step,
        single.last_value,
    )
    for (step, one), (same_step, other) in zip(single.points(), whole.points(), strict=True):
        assert (step, one.low, one.high, one.count, one.last) == (
            same_step, other.low, other.high, other.count, other.last,
        )  # fmt: skip
        assert one.total == pytest.approx(other.total, abs=1e-3)
