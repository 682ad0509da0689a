"""A curve of any length in bounded memory: minimum, maximum and mean of equal spans of steps."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(slots=True)
class Bucket:
    """What happened in one span of steps; unfinished numbers (NaN) are counted, not drawn."""

    low: float
    high: float
    total: float
    count: int
    last: float

    def take_in(self, later: Bucket) -> None:
        """Add what happened in a later span."""
        self.low, self.high = min(self.low, later.low), max(self.high, later.high)
        self.total += later.total
        self.count += later.count
        self.last = later.last


class Curve:
    """Values over steps, thinned by merging neighbours when full; spikes survive in low and high.

    Appending costs O(1) amortised; a curve of a million points holds at most `capacity` buckets.
    Steps may repeat or go back (a resumed run): the later value wins from that step on.
    """

    def __init__(self, capacity: int = 512) -> None:
        self.capacity = capacity
        self.span = 1
        """Steps in one bucket; doubles when the buckets are full."""
        self.buckets: dict[int, Bucket] = {}
        self.last_step: int | None = None
        self.last_value: float | None = None
        self.generation = 0
        """Rises when old buckets changed: a curve of one generation only grew at its end."""

    def append(self, step: int, value: float) -> None:
        """Add one value; a step at or below the last one cuts the curve back first."""
        if self.last_step is not None and step <= self.last_step:
            self._cut_from(step)
        if math.isfinite(value):
            self._add(step // self.span, Bucket(value, value, value, 1, value))
        self.last_step, self.last_value = step, value
        while len(self.buckets) > self.capacity:
            self._merge()

    def extend(self, steps: Sequence[int], values: Sequence[float]) -> None:
        """Add many values at once; the same as appending each, at a tenth of its cost.

        Args:
            steps: Rising strictly, the first beyond `last_step`.
            values: One finite number for each step.
        """
        start, end = 0, len(steps)
        while start < end:
            key = steps[start] // self.span
            stop = bisect_left(steps, (key + 1) * self.span, start)
            part = values[start:stop]
            low, high, total = min(part), max(part), sum(part)
            self._add(key, Bucket(low, high, total, len(part), part[-1]))
            start = stop
            while len(self.buckets) > self.capacity:
                self._merge()
        if steps:
            self.last_step, self.last_value = steps[-1], values[-1]

    def snapshot(self) -> Curve:
        """Return a copy that later appends leave alone; buckets that are done are shared."""
        copy = Curve(self.capacity)
        copy.span, copy.buckets = self.span, dict(self.buckets)
        copy.last_step, copy.last_value = self.last_step, self.last_value
        copy.generation = self.generation
        if self.last_step is not None and (key := self.last_step // self.span) in copy.buckets:
            copy.buckets[key] = replace(copy.buckets[key])
        return copy

    def points(self) -> list[tuple[float, Bucket]]:
        """Return (middle step of the span, bucket) in order of steps."""
        half = (self.span - 1) / 2
        return [(key * self.span + half, self.buckets[key]) for key in sorted(self.buckets)]

    def within(self, start: int, stop: int) -> list[Bucket]:
        """Return the buckets that touch the steps from `start` to `stop`, both included."""
        first, last = start // self.span, stop // self.span
        if last - first < len(self.buckets):
            keys = range(first, last + 1)
            return [self.buckets[key] for key in keys if key in self.buckets]
        return [bucket for key, bucket in self.buckets.items() if first <= key <= last]

    def nearest(self, step: int) -> Bucket | None:
        """Return the bucket that holds a step, else the one nearest to it; None if empty."""
        if not self.buckets:
            return None
        wanted = step // self.span
        found = self.buckets.get(wanted)
        return found or self.buckets[min(self.buckets, key=lambda key: abs(key - wanted))]

    def __len__(self) -> int:
        return len(self.buckets)

    def _add(self, key: int, new: Bucket) -> None:
        seen = self.buckets.get(key)
        if seen is None:
            self.buckets[key] = new
        else:
            seen.take_in(new)

    def _cut_from(self, step: int) -> None:
        first = step // self.span
        for key in [key for key in self.buckets if key >= first]:
            del self.buckets[key]
        self.generation += 1

    def _merge(self) -> None:
        merged: dict[int, Bucket] = {}
        for key in sorted(self.buckets):
            bucket, seen = self.buckets[key], merged.get(key // 2)
            if seen is None:
                merged[key // 2] = replace(bucket)  # a snapshot may hold the old one
            else:
                seen.take_in(bucket)
        self.buckets, self.span = merged, self.span * 2
        self.generation += 1
