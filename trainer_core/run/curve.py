"""A curve of any length in bounded memory: minimum, maximum and mean of equal spans of steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(slots=True)
class Bucket:
    """What happened in one span of steps; unfinished numbers (NaN) are counted, not drawn."""

    low: float
    high: float
    total: float
    count: int
    last: float


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
            self._add(step // self.span, value)
        self.last_step, self.last_value = step, value
        while len(self.buckets) > self.capacity:
            self._merge()

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

    def nearest(self, step: int) -> Bucket | None:
        """Return the bucket that holds a step, else the one nearest to it; None if empty."""
        if not self.buckets:
            return None
        wanted = step // self.span
        found = self.buckets.get(wanted)
        return found or self.buckets[min(self.buckets, key=lambda key: abs(key - wanted))]

    def __len__(self) -> int:
        return len(self.buckets)

    def _add(self, key: int, value: float) -> None:
        bucket = self.buckets.get(key)
        if bucket is None:
            self.buckets[key] = Bucket(value, value, value, 1, value)
            return
        bucket.low, bucket.high = min(bucket.low, value), max(bucket.high, value)
        bucket.total += value
        bucket.count += 1
        bucket.last = value

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
                seen.low, seen.high = min(seen.low, bucket.low), max(seen.high, bucket.high)
                seen.total += bucket.total
                seen.count += bucket.count
                seen.last = bucket.last
        self.buckets, self.span = merged, self.span * 2
        self.generation += 1
