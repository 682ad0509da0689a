"""What becomes of a row that is longer than the sequence: dropped, cut, or gone on with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from trainer_core.engine.data.encoder import EncodedRow

DEFAULT_SEQUENCE_LENGTH = 1024
"""Where a config leaves it open: the platform's tutorial."""


@dataclass(kw_only=True, slots=True)
class LengthPolicy:
    """Fits encoded rows into one sequence length, and counts what that costs."""

    sequence_length: int
    split_text: bool
    """Plain text goes on in the next document: nothing of it is lost."""
    truncate: bool
    """Other rows are cut at the end instead of dropped."""
    too_long: int = 0
    """Rows that did not fit: cut with `truncate`, else dropped."""
    uncounted: int = 0
    """Rows without a token that counts."""
    longest: int = 0
    """Tokens of the longest row met."""
    shortest_too_long: int = field(default=0)
    """Tokens of the shortest row that did not fit; 0 where all did."""

    def documents(self, row: EncodedRow) -> Iterator[EncodedRow]:
        """Yield what is trained on of one row; nothing if it is dropped."""
        size = len(row.tokens)
        self.longest = max(self.longest, size)
        if size <= self.sequence_length:
            pieces = [row]
        elif self.split_text:
            pieces = _chunks(row, self.sequence_length)
        else:
            self.too_long += 1
            self.shortest_too_long = min(self.shortest_too_long or size, size)
            pieces = _chunks(row, self.sequence_length)[:1] if self.truncate else []
        counts = False
        for piece in pieces:
            # No token stands before the first one to predict it from.
            piece.counted[:1] = 0
            if np.count_nonzero(piece.counted):
                counts = True
                yield piece
        if pieces and not counts:
            self.uncounted += 1


def _chunks(row: EncodedRow, size: int) -> list[EncodedRow]:
    return [
        EncodedRow(
            tokens=row.tokens[start : start + size],
            counted=np.array(row.counted[start : start + size]),
        )
        for start in range(0, len(row.tokens), size)
    ]
