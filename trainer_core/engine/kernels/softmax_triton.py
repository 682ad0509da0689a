"""Loss and its gradient from a chunk of logits, in place: the row is read twice and written once.

Legend: C tokens of one chunk, V vocabulary.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK, _WARPS = 4096, 4
"""Logits one program looks at together; the second reading finds its row in the cache."""


@triton.jit
def _softmax_minus_target(
    LOGITS,
    LABELS,
    LOSSES,
    stride,
    VOCABULARY: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0)
    start = LOGITS + row.to(tl.int64) * stride
    label = tl.load(LABELS + row)
    place = tl.arange(0, BLOCK)
    if label < 0:
        for first in range(0, PADDED, BLOCK):
            inside = first + place < PADDED
            tl.store(start + first + place, tl.zeros([BLOCK], tl.float32), mask=inside)
        tl.store(LOSSES + row, 0.0)
    else:
        top = float("-inf")
        total = 0.0
        for first in range(0, VOCABULARY, BLOCK):
            inside = first + place < VOCABULARY
            logits = tl.load(start + first + place, mask=inside, other=float("-inf"))
            logits = logits.to(tl.float32)
            higher = tl.maximum(top, tl.max(logits, 0))
            total = total * tl.exp(top - higher) + tl.sum(tl.exp(logits - higher), 0)
            top = higher
        level = top + tl.log(total)
        target = tl.load(start + label).to(tl.float32)
        tl.store(LOSSES + row, level - target)
        # Every thread has read the target before any overwrites it.
        tl.debug_barrier()
        for first in range(0, PADDED, BLOCK):
            inside = first + place < VOCABULARY
            logits = tl.load(start + first + place, mask=inside, other=float("-inf"))
            shares = tl.exp(logits.to(tl.float32) - level)
            shares = tl.where(first + place == label, shares - 1.0, shares)
            tl.store(start + first + place, shares, mask=first + place < PADDED)


def softmax_minus_target_(logits_CV: Tensor, labels_C: Tensor, vocabulary: int) -> Tensor:
    """Replace logits by d(sum of losses)/d(logits); returns the losses, fp32 [C].

    Args:
        logits_CV: bf16 or fp32, contiguous; what lies beyond the vocabulary becomes 0.
        labels_C: int64; below 0 does not count: its loss and gradient are 0.
        vocabulary: Logits that are any; rows may be longer.
    """
    losses_C = torch.empty(logits_CV.shape[0], device=logits_CV.device)
    _softmax_minus_target[(logits_CV.shape[0],)](
        logits_CV,
        labels_C,
        losses_C,
        logits_CV.stride(0),
        VOCABULARY=vocabulary,
        PADDED=logits_CV.shape[1],
        BLOCK=min(_BLOCK, triton.next_power_of_2(vocabulary)),
        num_warps=_WARPS,
    )
    return losses_C
