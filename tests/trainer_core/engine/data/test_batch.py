"""Micro-batches: labels shifted within documents, positions from 0, padding that counts nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from tests.trainer_core.engine.padded import collate_padded
from trainer_core.engine.data.batch import IGNORE_INDEX, collate
from trainer_core.engine.data.token_rows import TokenRows


@pytest.fixture
def rows() -> TokenRows:
    """Documents [1 2 3], [4 5], [6 7 8 9]; answers are 2 3, 5, 8 9."""
    return TokenRows(
        tokens=np.arange(1, 10, dtype=np.uint16),
        counted=np.array([0, 1, 1, 0, 1, 0, 0, 1, 1], dtype=np.uint8),
        starts=np.array([0, 3, 5], dtype=np.int64),
        lengths=np.array([3, 2, 4], dtype=np.int64),
        counted_lengths=np.array([2, 1, 2], dtype=np.int64),
        counted_bytes=np.array([20, 10, 30], dtype=np.int64),
    )


def test_documents_lie_end_to_end_and_labels_never_cross(rows: TokenRows) -> None:
    batch = collate(rows, [(2, 1), (0,)])
    assert batch.input_ids.tolist() == [[6, 7, 8, 9, 4, 5, 1, 2, 3]]
    none = IGNORE_INDEX
    assert batch.labels.tolist() == [[none, 8, 9, none, 5, none, 2, 3, none]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 3, 0, 1, 0, 1, 2]]
    assert batch.document_lengths == (4, 2, 3)
    assert batch.cumulative_lengths.tolist() == [0, 4, 6, 9]
    assert batch.cumulative_lengths.dtype == torch.int32
    assert (batch.counted_tokens, batch.counted_bytes) == (5, 60)
    assert (batch.tokens, batch.padded_tokens) == (9, 9)


def test_padding_is_a_document_of_its_own_that_counts_nothing(rows: TokenRows) -> None:
    batch = collate(rows, [(0, 1), (2,), ()], pad_to=6, pad_id=77)
    assert batch.input_ids.shape == (1, 18)
    assert batch.document_lengths == (3, 2, 1, 4, 2, 6)
    assert batch.input_ids[0, 5].item() == 77
    assert batch.labels[0, 10:].tolist() == [IGNORE_INDEX] * 8
    assert batch.position_ids[0, 10:].tolist() == [0, 1, 0, 1, 2, 3, 4, 5]
    assert (batch.tokens, batch.padded_tokens, batch.counted_tokens) == (9, 18, 5)


def test_a_first_token_is_never_a_label_whatever_the_mask_says(rows: TokenRows) -> None:
    everything = dataclasses.replace(rows, counted=np.ones(9, dtype=np.uint8))
    labels = collate(everything, [(0, 1)], pad_to=6).labels
    none = IGNORE_INDEX
    assert labels.tolist() == [[2, 3, none, 5, none, none]]


def test_packed_and_padded_hold_the_same_labels(rows: TokenRows) -> None:
    packed, padded = collate(rows, [(0, 1, 2)]), collate_padded(rows, [0, 1, 2])
    assert padded.input_ids.shape == (3, 4)
    assert padded.attention_mask.sum().item() == padded.tokens == packed.tokens
    assert padded.labels[padded.attention_mask == 1].tolist() == packed.labels[0].tolist()
    assert padded.counted_tokens == packed.counted_tokens


def test_a_batch_moves_whole(rows: TokenRows) -> None:
    moved = collate(rows, [(0,)]).to("meta")
    tensors = (moved.input_ids, moved.labels, moved.position_ids, moved.cumulative_lengths)
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert moved.counted_tokens == 2


def test_what_cannot_be_laid_is_refused(rows: TokenRows) -> None:
    with pytest.raises(ValueError, match="does not fit 5"):
        collate(rows, [(0, 2)], pad_to=5)
    with pytest.raises(ValueError, match="at least one document"):
        collate(rows, [])
