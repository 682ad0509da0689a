"""Nonsense from a driver is unknown."""

from __future__ import annotations

import pytest

from trainer_core.accelerators.plausible import within


@pytest.mark.parametrize("value", [0, 100, 50.5])
def test_a_figure_in_range_stays(value: float) -> None:
    assert within(value, 0, 100) == value


@pytest.mark.parametrize(
    "value", [-1, 100.1, float("nan"), float("inf"), 2**64 - 1, None, "50", True, b"5", [5]]
)
def test_anything_else_is_none(value: object) -> None:
    assert within(value, 0, 100) is None
