"""The order of rows: fixed for ever, even, and not to be guessed from the epoch before."""

from __future__ import annotations

import numpy as np
import pytest

from trainer_core.engine.data.sample import EpochOrder


def test_an_epoch_is_a_permutation_and_every_epoch_another() -> None:
    order = EpochOrder(100, seed=3)
    first, second = order.order(0).copy(), order.order(1).copy()
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(100))
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, EpochOrder(100, seed=4).order(0))


def test_the_order_never_changes() -> None:
    """A resume on another machine or numpy must go on where the run was."""
    assert EpochOrder(8, seed=0).order(0).tolist() == [6, 0, 3, 1, 4, 2, 7, 5]


def test_steps_run_over_epoch_borders_and_see_every_row_equally_often() -> None:
    order = EpochOrder(10, seed=1)
    steps = [order.step_rows(step, 4) for step in range(5)]
    assert [row for step in steps for row in step] == [*order.order(0), *order.order(1)]
    assert order.epoch_of(5, 4) == 2.0
    assert len(EpochOrder(3, seed=0).step_rows(0, 7)) == 7


def test_a_position_is_asked_for_without_the_ones_before() -> None:
    asked = EpochOrder(50, seed=9)
    assert asked.step_rows(37, 8) == [EpochOrder(50, seed=9).step_rows(s, 8) for s in range(38)][37]
    assert asked.position(5, 3) == EpochOrder(50, seed=9).order(5)[3]


def test_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        EpochOrder(0, seed=0)
