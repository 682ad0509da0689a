"""Which rows are held out for evaluation: a function of their hashes alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SMALLEST_SPLIT_ROWS = 10
"""Below this many rows nothing is held out; from here on at least one is."""

HashArray = npt.NDArray[np.uint64]


def choose_held_out(row_hashes: HashArray, fraction: float, rows_max: int) -> npt.NDArray[np.bool_]:
    """Return which rows are held out of a dataset without a split of its own.

    A row is held out if its hash is small, so adding rows moves no other row as long as the
    limit is not reached, and rows that say the same stay on one side.

    Args:
        row_hashes: One for each row.
        fraction: Share wanted, 0 to 1.
        rows_max: Most rows to hold out.
    """
    rows = len(row_hashes)
    if fraction <= 0 or rows_max < 1 or rows < SMALLEST_SPLIT_ROWS:
        return np.zeros(rows, dtype=np.bool_)
    ordered = np.sort(row_hashes)
    limit = int(min(fraction, 1.0) * 2**64) - 1
    chosen: npt.NDArray[np.bool_] = row_hashes <= np.uint64(max(limit, 0))
    if not chosen.any():
        chosen = row_hashes <= ordered[0]
    if int(chosen.sum()) > rows_max:
        chosen = row_hashes < ordered[rows_max]
        if not chosen.any():  # more equal rows than may be held out
            chosen = np.zeros(rows, dtype=np.bool_)
            chosen[np.flatnonzero(row_hashes == ordered[0])[:rows_max]] = True
    if chosen.all():
        chosen = np.zeros(rows, dtype=np.bool_)
    return chosen


def smallest(row_hashes: HashArray, rows_max: int) -> npt.NDArray[np.bool_]:
    """Return at most `rows_max` rows of a split of its own, by hash."""
    chosen = np.zeros(len(row_hashes), dtype=np.bool_)
    chosen[np.argsort(row_hashes, kind="stable")[: max(rows_max, 0)]] = True
    return chosen
