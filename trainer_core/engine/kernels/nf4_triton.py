"""Weights out of 4-bit codes as one Triton kernel: half a byte read, one number written."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_BYTES, _WARPS = 1024, 4
"""Codes one program takes, two to a byte."""


@triton.jit
def _decode(CODES, SCALES, LEVELS, WEIGHTS, count, BYTES: tl.constexpr, BLOCK: tl.constexpr):
    first = tl.program_id(0).to(tl.int64) * BYTES
    place = first + tl.arange(0, BYTES)
    inside = place < count
    codes = tl.load(CODES + place, mask=inside, other=0).to(tl.int32)
    scales = tl.load(SCALES + place // (BLOCK // 2), mask=inside, other=0.0)
    upper = tl.load(LEVELS + (codes >> 4)) * scales
    lower = tl.load(LEVELS + (codes & 15)) * scales
    weights = tl.interleave(upper, lower).to(WEIGHTS.dtype.element_ty)
    target = 2 * first + tl.arange(0, 2 * BYTES)
    tl.store(WEIGHTS + target, weights, mask=target < 2 * count)


def decode_on_card(codes: Tensor, scales: Tensor, levels: Tensor, dtype: torch.dtype) -> Tensor:
    """Return all weights as one flat tensor."""
    from trainer_core.engine.kernels.nf4 import BLOCK

    count = codes.numel()
    weights = torch.empty(2 * count, dtype=dtype, device=codes.device)
    grid = (triton.cdiv(count, _BYTES),)
    _decode[grid](
        codes, scales, levels, weights, count, BYTES=_BYTES, BLOCK=BLOCK, num_warps=_WARPS
    )
    return weights
