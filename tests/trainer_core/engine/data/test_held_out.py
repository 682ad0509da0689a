"""Held-out rows are chosen by hash: the same for ever, whatever else is added."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer_core.engine.data.held_out import choose_held_out, smallest

HASHES = st.lists(st.integers(0, 2**64 - 1), min_size=10, max_size=200, unique=True)


def hashes(values: list[int]) -> np.ndarray:
    return np.asarray(values, dtype=np.uint64)


@given(values=HASHES, more=HASHES)
def test_adding_rows_moves_no_row(values: list[int], more: list[int]) -> None:
    before = choose_held_out(hashes(values), 0.3, 500)
    both = [*values, *(value for value in more if value not in values)]
    after = choose_held_out(hashes(both), 0.3, 500)[: len(values)]
    # Where none was small enough one was taken all the same; it may go back.
    if before.sum() > 1:
        assert np.array_equal(before, after)


def test_the_share_is_about_what_was_asked_and_never_above_the_limit() -> None:
    values = np.random.default_rng(0).integers(0, 2**64, 20_000, dtype=np.uint64)
    assert 320 <= choose_held_out(values, 0.02, 500).sum() <= 480
    limited = choose_held_out(values, 0.5, 500)
    assert limited.sum() == 500
    assert values[limited].max() < values[~limited].min()


def test_at_least_one_from_ten_rows_on_and_none_below() -> None:
    high = [2**64 - 1 - number for number in range(10)]
    assert choose_held_out(hashes(high), 0.02, 500).tolist() == [False] * 9 + [True]
    assert not choose_held_out(hashes(high[:9]), 0.02, 500).any()


def test_nothing_is_held_out_when_nothing_is_asked_for() -> None:
    values = hashes(list(range(100)))
    assert not choose_held_out(values, 0.0, 500).any()
    assert not choose_held_out(values, 0.5, 0).any()


def test_something_is_always_left_to_train_on() -> None:
    assert not choose_held_out(hashes([5] * 20), 1.0, 500).all()


def test_a_split_of_its_own_is_limited_by_hash() -> None:
    assert smallest(hashes([9, 1, 5, 3]), 2).tolist() == [False, True, False, True]
