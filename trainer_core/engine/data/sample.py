"""The order rows are trained in: a pure function of seed, epoch and position.

Nothing has to be saved to resume: the step number is the position. Ranks compute the same order
and each takes its share of a step.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_MASK = (1 << 64) - 1


class EpochOrder:
    """A fresh permutation of the packed rows for every epoch.

    Own arithmetic, not numpy's generators: their streams may change between numpy versions, and
    a run must go on in the same order after an upgrade.
    """

    def __init__(self, rows: int, seed: int) -> None:
        if rows < 1:
            raise ValueError("an order needs at least one row")
        self.rows = rows
        self.seed = seed
        self._epoch = -1
        self._order: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """Return the rows of one epoch (from 0) in their order."""
        if epoch != self._epoch:
            start = _mix(((self.seed & 0xFFFFFFFF) << 32) ^ epoch)
            keys = _mix_array(np.arange(self.rows, dtype=np.uint64), start)
            self._order = np.argsort(keys, kind="stable").astype(np.int64)
            self._epoch = epoch
        return self._order

    def position(self, epoch: int, place: int) -> int:
        """Return the row at one place (from 0) of an epoch."""
        return int(self.order(epoch)[place])

    def step_rows(self, step: int, global_batch_size: int) -> list[int]:
        """Return the rows of one optimizer step (from 0), over all ranks.

        Steps follow each other without a gap: a step at the end of an epoch takes the rest from
        the next one, so every row is seen equally often.
        """
        first = step * global_batch_size
        places = range(first, first + global_batch_size)
        return [self.position(*divmod(place, self.rows)) for place in places]

    def epoch_of(self, step: int, global_batch_size: int) -> float:
        """Return how many passes over the rows `step` optimizer steps make."""
        return step * global_batch_size / self.rows


def _mix(value: int) -> int:
    """Scatter 64 bits: the finaliser of splitmix64.

    Source: https://prng.di.unimi.it/splitmix64.c
    """
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def _mix_array(values: npt.NDArray[np.uint64], start: int) -> npt.NDArray[np.uint64]:
    mixed = values * np.uint64(0x9E3779B97F4A7C15) + np.uint64(start)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
