"""Packing: every document once, no row too long, close to full, the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer_core.engine.data.pack import plan_rows

LENGTHS = st.lists(st.integers(1, 64), max_size=200)


@given(lengths=LENGTHS, packing=st.booleans())
def test_every_document_stands_in_one_row_that_holds_it(lengths: list[int], packing: bool) -> None:
    rows = plan_rows(lengths, 64, packing=packing)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(sum(lengths[index] for index in row) <= 64 for row in rows)
    assert plan_rows(np.asarray(lengths, dtype=np.int64), 64, packing=packing) == rows


@given(lengths=LENGTHS)
def test_at_most_one_row_is_half_empty(lengths: list[int]) -> None:
    """Two such rows would have been one: no room is left open where a document fits."""
    filled = [sum(lengths[index] for index in row) for row in plan_rows(lengths, 64)]
    assert sum(size <= 32 for size in filled) <= 1


def test_the_tightest_room_is_taken_and_ties_keep_their_order() -> None:
    assert plan_rows([3, 6, 5, 4, 5], 10) == [(1, 3), (2, 4), (0,)]
    assert plan_rows([7, 5, 3, 3], 10) == [(0, 2), (1, 3)]


def test_without_packing_rows_are_the_documents() -> None:
    assert plan_rows([3, 1, 2], 10, packing=False) == [(0,), (1,), (2,)]


def test_lengths_that_cannot_stand_in_a_row_are_refused() -> None:
    with pytest.raises(ValueError, match="1 to 10"):
        plan_rows([3, 11], 10)
    with pytest.raises(ValueError, match="1 to 10"):
        plan_rows([0], 10)
    assert plan_rows([], 10) == []
