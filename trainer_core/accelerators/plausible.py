"""Drivers sometimes answer with nonsense; a figure out of range is unknown, not shown."""

from __future__ import annotations

import math


def within(value: object, low: float, high: float) -> float | None:
    """Return a number if it lies between two bounds (both included), else None.

    Numbers that are not finite and anything but a number are None; a bool is no number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) and low <= value <= high else None
