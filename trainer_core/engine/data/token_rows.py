"""Tokenised documents as flat, memory-mapped arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

IntArray: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """One row of the dataset as the model sees it; the arrays are views, not copies."""

    tokens: npt.NDArray[np.integer[Any]]
    """Token ids, one dimension."""
    counted: npt.NDArray[np.uint8]
    """1 where the token is a target that counts in the loss; never for the first token."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenRows:
    """Documents of one split, in the order of the source."""

    tokens: npt.NDArray[np.integer[Any]]
    """Ids of all documents of all splits, one dimension, usually a memory map."""
    counted: npt.NDArray[np.uint8]
    """Same shape as `tokens`."""
    starts: IntArray
    """First position of each document in `tokens`."""
    lengths: IntArray
    """Tokens of each document, the end token included; at least 2."""
    counted_lengths: IntArray
    """Tokens of each document that count in the loss; at least 1."""
    counted_bytes: IntArray
    """UTF-8 bytes of the text that counts, for loss in bits per byte."""

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.starts)

    def document(self, index: int) -> Document:
        """Return one document as views into the flat arrays."""
        start = int(self.starts[index])
        end = start + int(self.lengths[index])
        return Document(tokens=self.tokens[start:end], counted=self.counted[start:end])

    @property
    def token_count(self) -> int:
        """Tokens of all documents, prompts included, padding not."""
        return int(self.lengths.sum())

    @property
    def counted_count(self) -> int:
        """Tokens of all documents that count in the loss."""
        return int(self.counted_lengths.sum())
