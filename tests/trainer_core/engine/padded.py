"""Documents one per row, padded: the plain form that packed batches are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainer_core.engine.data.batch import IGNORE_INDEX
from trainer_core.engine.data.token_rows import TokenRows


@dataclass(frozen=True, kw_only=True, slots=True)
class PaddedBatch:
    """The same documents one per row, padded on the right: the plain form to compare with."""

    input_ids: Tensor
    """[documents, longest] int64."""
    labels: Tensor
    """[documents, longest] int64, already shifted."""
    attention_mask: Tensor
    """[documents, longest] int64, 1 where a token stands."""
    counted_tokens: int
    tokens: int


def collate_padded(
    token_rows: TokenRows, documents: Sequence[int], *, pad_id: int = 0
) -> PaddedBatch:
    """Put each document in a row of its own, padded to the longest."""
    longest = max(int(token_rows.lengths[index]) for index in documents)
    shape = (len(documents), longest)
    input_ids = np.full(shape, pad_id, dtype=np.int64)
    labels = np.full(shape, IGNORE_INDEX, dtype=np.int64)
    attention = np.zeros(shape, dtype=np.int64)
    for place, index in enumerate(documents):
        document = token_rows.document(index)
        size = len(document.tokens)
        input_ids[place, :size] = document.tokens
        counted = document.counted[1:] == 1
        labels[place, : size - 1][counted] = document.tokens[1:][counted]
        attention[place, :size] = 1
    return PaddedBatch(
        input_ids=torch.from_numpy(input_ids),
        labels=torch.from_numpy(labels),
        attention_mask=torch.from_numpy(attention),
        counted_tokens=int((labels != IGNORE_INDEX).sum()),
        tokens=int(attention.sum()),
    )
