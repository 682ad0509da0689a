"""Round limits, ticks and labels of an axis, so that noise does not rescale a chart."""

from __future__ import annotations

import math
from dataclasses import dataclass

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
"""Distances between ticks that read well, times a power of ten."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """From a value to its place between the ends."""

    low: float
    high: float
    ticks: tuple[float, ...]
    """Values with a label, rising; within the limits."""
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Return where a value lies: 0 at `low`, 1 at `high`, cut at both ends."""
        low, high = self.low, self.high
        if self.logarithmic:
            value, low, high = math.log(max(value, low)), math.log(low), math.log(high)
        return min(1.0, max(0.0, (value - low) / (high - low)))


def axis_for(low: float, high: float, *, ticks: int, logarithmic: bool = False) -> Axis:
    """Make an axis whose limits are rounded outwards.

    Args:
        low: Smallest value to be shown.
        high: Largest value, at least `low`.
        ticks: About how many labels fit.
        logarithmic: Equal ratios get equal room; ignored unless `low` is above 0.
    """
    if logarithmic and low > 0:
        return _logarithmic(low, max(high, low), max(2, ticks))
    return _linear(low, max(high, low), max(2, ticks))


def _linear(low: float, high: float, ticks: int) -> Axis:
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-12):  # a flat line gets room around it
        room = abs(high) * 0.1 or 1.0
        low, high = low - room, high + room
    step = nice_step((high - low) / ticks)
    half = step / 2  # limits on half a step: less empty room than on a whole one
    first, last = math.floor(low / half + 1e-9), math.ceil(high / half - 1e-9)
    values = tuple(_clean(index * half) for index in range(first, last + 1) if index % 2 == 0)
    return Axis(low=_clean(first * half), high=_clean(last * half), ticks=values)


def _logarithmic(low: float, high: float, ticks: int) -> Axis:
    if high / low < 1.05:
        low, high = low / 1.05, high * 1.05
    fine = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0)
    for stops in (fine, (1.0, 1.5, 2.0, 3.0, 5.0, 7.0), (1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
        values = _stops(low, high, stops)
        if len(values) <= ticks + 2:
            break
    thin = max(1, math.ceil(len(values) / (ticks + 2)))
    return Axis(low=values[0], high=values[-1], ticks=tuple(values[::thin]), logarithmic=True)


def _stops(low: float, high: float, stops: tuple[float, ...]) -> list[float]:
    first, last = math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1
    values = [_clean(stop * 10.0**power) for power in range(first, last + 1) for stop in stops]
    start = max(index for index, value in enumerate(values) if value <= low * (1 + 1e-9))
    stop = min(index for index, value in enumerate(values) if value >= high * (1 - 1e-9))
    return values[start : max(stop, start + 1) + 1]


def nice_step(rough: float) -> float:
    """Round a distance up to 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(_clean(step * power) for step in STEPS if step * power >= rough * (1 - 1e-9))


def tick_labels(ticks: tuple[float, ...]) -> tuple[str, ...]:
    """Write ticks with just as many digits as tell them apart."""
    for digits in range(8):
        texts = tuple(f"{tick:,.{digits}f}" for tick in ticks)
        exact = all(
            abs(float(text.replace(",", "")) - tick) <= abs(tick) * 1e-6
            for text, tick in zip(texts, ticks, strict=True)
        )
        if exact and len(set(texts)) == len(texts):
            return texts
    return tuple(f"{tick:.2e}" for tick in ticks)


def step_limit(last: int, total: int | None) -> int:
    """Return the right end of an axis of steps, so that a curve fills at least half of it.

    It is the whole run halved as often as still holds `last`, and so moves rarely: between two
    moves only the newest column of a chart changes.
    """
    last = max(1, last)
    if total is None or total < last:
        limit = 16
        while limit < last:
            limit *= 2
        return limit
    limit = total
    while limit >= 16 and (limit + 1) // 2 >= last:
        limit = (limit + 1) // 2
    return limit


def _clean(value: float) -> float:
    """Drop the dust of binary fractions."""
    return float(f"{value:.10g}")
