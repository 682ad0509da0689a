"""Chunks of the card's loss; its numbers are held on a card in `tests/gpu/test_fast_path.py`."""

from __future__ import annotations

import pytest
import torch

from trainer_core.engine import card_loss
from trainer_core.engine.card_loss import CHUNK_BYTES, chunk_length


@pytest.mark.parametrize("tokens", [6, 128, 6144, 6700, 32_768, 131_072])
def test_chunks_are_equal_and_small_enough(tokens: int) -> None:
    chunk = chunk_length(tokens, 50_257, 2)
    assert chunk % 128 == 0
    assert chunk * 50_257 * 2 <= CHUNK_BYTES
    passes = -(-tokens // chunk)
    assert passes == -(-tokens // (CHUNK_BYTES // 2 // 50_257 // 128 * 128))


def test_a_chunk_of_a_13b_step_is_the_whole_step() -> None:
    assert chunk_length(6 * 1024, 50_257, 2) >= 6 * 1024


def test_an_odd_vocabulary_is_filled_up_with_zeros() -> None:
    filled = card_loss._filled_up(torch.ones(257, 4))
    assert filled.shape == (320, 4)
    assert float(filled.sum()) == 257 * 4
    even = torch.ones(128, 4)
    assert card_loss._filled_up(even) is even
