"""Dots in text cells: 2 × 4 of them in one braille character, kept as one number a column."""

from __future__ import annotations

DOTS_ACROSS = 2
"""Dot columns in a cell."""
DOTS_DOWN = 4
"""Dot rows in a cell."""

BRAILLE = 0x2800
"""The empty braille character; its dots are the low eight bits."""

_EVEN = int("01" * 512, 2)
"""Every other dot of a column, for shading."""

# Dots of one cell column, lowest dot in bit 0, to the bits of the braille character.
_LEFT = (0x40, 0x04, 0x02, 0x01)
_RIGHT = (0x80, 0x20, 0x10, 0x08)


def _table(bits: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sum(bits[dot] for dot in range(4) if mask >> dot & 1) for mask in range(16))


LEFT_BITS, RIGHT_BITS = _table(_LEFT), _table(_RIGHT)


class Dots:
    """One layer of dots; column x is a number whose bit y is the dot at height y from below."""

    def __init__(self, width: int, height: int) -> None:
        """Make an empty layer.

        Args:
            width: Cells across; there are twice as many dot columns.
            height: Cells down; there are four times as many dot rows.
        """
        self.width, self.height = width, height
        self.across, self.down = width * DOTS_ACROSS, height * DOTS_DOWN
        self.columns = [0] * self.across

    def clear_from(self, x: int) -> None:
        """Take away every dot of column x and of those right of it."""
        self.columns[x:] = [0] * (self.across - x)

    def bar(self, x: int, low: int, high: int) -> None:
        """Set every dot of column x from `low` to `high`, both included."""
        self.columns[x] |= ((2 << (high - low)) - 1) << low

    def shade(self, x: int, low: int, high: int) -> None:
        """Set every other dot of a bar in a chequered pattern, and always its two ends."""
        mask = ((2 << (high - low)) - 1) << low
        self.columns[x] |= mask & (_EVEN << (x & 1)) | 1 << low | 1 << high

    def line(self, x0: int, y0: int, x1: int, y1: int) -> None:
        """Join two dots without gaps; x0 < x1, or both in one column."""
        if x1 <= x0:
            self.bar(x0, min(y0, y1), max(y0, y1))
            return
        before = y0
        for x in range(x0, x1 + 1):
            y = y0 + round((y1 - y0) * (x - x0) / (x1 - x0))
            if abs(y - before) <= 1:
                self.columns[x] |= 1 << y
            else:  # half of the jump belongs to each column, so that the line stays thin
                middle = (before + y) // 2
                self.bar(x - 1, min(before, middle), max(before, middle))
                self.bar(x, min(middle, y), max(middle, y))
            before = y

    def cells(self, left: int, right: int) -> list[int]:
        """Return the braille bits of a column of cells with these dots, from top to bottom."""
        if not left and not right:
            return [0] * self.height
        return [
            LEFT_BITS[left >> shift & 15] | RIGHT_BITS[right >> shift & 15]
            for shift in range(self.down - DOTS_DOWN, -1, -DOTS_DOWN)
        ]
