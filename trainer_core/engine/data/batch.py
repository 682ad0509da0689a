"""Tensors of one micro-batch: whole documents side by side, labels shifted within each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainer_core.engine.data.token_rows import TokenRows

IGNORE_INDEX = -100
"""Label that no loss counts; the value torch's cross-entropy ignores by default."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """One forward pass. T is the sum of `document_lengths`."""

    input_ids: Tensor
    """[1, T] int64."""
    labels: Tensor
    """[1, T] int64, already shifted: position t holds the token after it, IGNORE_INDEX where that
    does not count or is in another document."""
    position_ids: Tensor
    """[1, T] int64, from 0 in each document."""
    cumulative_lengths: Tensor
    """[documents + 1] int32, where documents begin and end: `cu_seqlens` of variable-length
    attention. Padding stands as documents of its own."""
    document_lengths: tuple[int, ...]
    """Tokens of each document in order, padding documents included."""
    counted_tokens: int
    """Labels that count in the loss."""
    counted_bytes: int
    """UTF-8 bytes of the text behind them."""
    tokens: int
    """Tokens without padding."""
    padded_tokens: int
    """T."""

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Batch:
        """Return the batch with its tensors on `device`."""
        return Batch(
            input_ids=self.input_ids.to(device, non_blocking=non_blocking),
            labels=self.labels.to(device, non_blocking=non_blocking),
            position_ids=self.position_ids.to(device, non_blocking=non_blocking),
            cumulative_lengths=self.cumulative_lengths.to(device, non_blocking=non_blocking),
            document_lengths=self.document_lengths,
            counted_tokens=self.counted_tokens,
            counted_bytes=self.counted_bytes,
            tokens=self.tokens,
            padded_tokens=self.padded_tokens,
        )


def collate(
    token_rows: TokenRows,
    rows: Sequence[Sequence[int]],
    *,
    pad_to: int | None = None,
    pad_id: int = 0,
) -> Batch:
    """Lay the documents of some packed rows end to end.

    Args:
        token_rows: The split the document numbers point into.
        rows: Packed rows, each the numbers of its documents; a row of none is all padding.
        pad_to: Tokens every row is filled up to, for constant shapes; None adds no padding.
        pad_id: Token that fills; never attended to by another document, never counted.

    Raises:
        ValueError: If nothing is to be laid, or a row is longer than `pad_to`.
    """
    pieces: list[np.ndarray] = []
    masks: list[np.ndarray] = []
    tokens = 0
    for row in rows:
        documents = [token_rows.document(index) for index in row]
        filled = sum(len(document.tokens) for document in documents)
        if pad_to is not None and filled > pad_to:
            raise ValueError(f"a row of {filled} tokens does not fit {pad_to}")
        for document in documents:
            pieces.append(document.tokens.astype(np.int64))
            masks.append(document.counted)
        if pad_to is not None and filled < pad_to:
            pieces.append(np.full(pad_to - filled, pad_id, dtype=np.int64))
            masks.append(np.zeros(pad_to - filled, dtype=np.uint8))
        tokens += filled
    if not pieces:
        raise ValueError("a batch needs at least one document or padding")
    flat = np.concatenate(pieces)
    lengths = [len(piece) for piece in pieces]
    labels = _shifted_labels(flat, np.concatenate(masks), lengths)
    return Batch(
        input_ids=torch.from_numpy(flat).unsqueeze(0),
        labels=torch.from_numpy(labels).unsqueeze(0),
        position_ids=torch.from_numpy(_positions(lengths)).unsqueeze(0),
        cumulative_lengths=torch.from_numpy(np.cumsum([0, *lengths]).astype(np.int32)),
        document_lengths=tuple(lengths),
        counted_tokens=int((labels != IGNORE_INDEX).sum()),
        counted_bytes=sum(int(token_rows.counted_bytes[index]) for row in rows for index in row),
        tokens=tokens,
        padded_tokens=len(flat),
    )


def _shifted_labels(flat: np.ndarray, counted: np.ndarray, lengths: Sequence[int]) -> np.ndarray:
    labels = np.full(len(flat), IGNORE_INDEX, dtype=np.int64)
    labels[:-1] = np.where(counted[1:] == 1, flat[1:], IGNORE_INDEX)
    labels[np.cumsum(lengths) - 1] = IGNORE_INDEX
    return labels


def _positions(lengths: Sequence[int]) -> np.ndarray:
    return np.concatenate([np.arange(length, dtype=np.int64) for length in lengths])
