"""A number's history in one row of text: bounded, thinned, never scrolled."""

from __future__ import annotations

from moai_tui.widgets.glyphs import Glyphs
from trainer_core.run.record.curve import Curve

CAPACITY = 64
"""Buckets of a history, twice the widest strip that is drawn."""


class History:
    """Values in the order they came; when full, neighbours are merged.

    So a strip fills from the left and, until the next merge, only its newest cell changes:
    nothing is redrawn for the sake of scrolling.
    """

    def __init__(self) -> None:
        self._curve = Curve(CAPACITY)
        self._count = 0

    def append(self, value: float | None) -> None:
        """Add a value; an unknown one leaves a gap in the numbering, not in the strip."""
        if value is not None:
            self._curve.append(self._count, value)
        self._count += 1

    @property
    def curve(self) -> Curve:
        """The values, thinned."""
        return self._curve


def strip_text(curve: Curve, width: int, signs: Glyphs, low: float, high: float) -> str:
    """Draw a curve's means in `width` cells, from `low` (lowest sign) to `high` (full).

    The strip is at least half full once the curve has that many buckets; cells without a value
    are blank.
    """
    means = [bucket.total / bucket.count for _, bucket in curve.points()]
    if not means or width <= 0:
        return " " * max(0, width)
    per_cell = 1
    while len(means) > per_cell * width:
        per_cell *= 2
    levels = signs.levels
    cells = []
    for start in range(0, len(means), per_cell):
        part = means[start : start + per_cell]
        share = (sum(part) / len(part) - low) / (high - low) if high > low else 0.5
        cells.append(levels[min(len(levels) - 1, max(0, int(share * len(levels))))])
    return "".join(cells).ljust(width)[:width]


def limits(curve: Curve) -> tuple[float, float]:
    """Return the lowest and highest value of a curve, rounded outwards by a tenth of the span."""
    lows = [bucket.low for bucket in curve.buckets.values()]
    highs = [bucket.high for bucket in curve.buckets.values()]
    if not lows:
        return 0.0, 1.0
    low, high = min(lows), max(highs)
    room = (high - low) * 0.1
    return low - room, high + room
