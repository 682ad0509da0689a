"""Long rows: dropped and counted, cut, or gone on with."""

from __future__ import annotations

import numpy as np

from trainer_core.engine.data.encoder import EncodedRow
from trainer_core.engine.data.lengths import LengthPolicy


def row(tokens: int, prompt: int = 2) -> EncodedRow:
    counted = np.ones(tokens, dtype=np.uint8)
    counted[:prompt] = 0
    return EncodedRow(tokens=np.arange(tokens, dtype=np.int64), counted=counted)


def test_a_row_that_fits_is_one_document_and_its_first_token_never_counts() -> None:
    policy = LengthPolicy(sequence_length=10, split_text=False, truncate=False)
    (document,) = policy.documents(row(10, prompt=0))
    assert document.counted.tolist() == [0] + [1] * 9
    assert (policy.too_long, policy.longest) == (0, 10)


def test_long_rows_are_dropped_and_counted() -> None:
    policy = LengthPolicy(sequence_length=10, split_text=False, truncate=False)
    assert [list(policy.documents(row(size))) for size in (30, 12)] == [[], []]
    assert (policy.too_long, policy.longest, policy.shortest_too_long) == (2, 30, 12)


def test_long_rows_are_cut_where_that_is_asked_for() -> None:
    policy = LengthPolicy(sequence_length=10, split_text=False, truncate=True)
    (document,) = policy.documents(row(30))
    assert document.tokens.tolist() == list(range(10))
    assert policy.too_long == 1
    assert list(policy.documents(row(30, prompt=10))) == []
    assert policy.uncounted == 1


def test_plain_text_goes_on_and_loses_nothing() -> None:
    policy = LengthPolicy(sequence_length=10, split_text=True, truncate=False)
    documents = list(policy.documents(row(25, prompt=0)))
    assert [token for part in documents for token in part.tokens] == list(range(25))
    assert [part.counted[0] for part in documents] == [0, 0, 0]
    assert policy.too_long == 0


def test_a_row_without_a_counted_token_is_no_document() -> None:
    policy = LengthPolicy(sequence_length=10, split_text=True, truncate=False)
    assert list(policy.documents(row(1, prompt=0))) == []
    assert policy.uncounted == 1
