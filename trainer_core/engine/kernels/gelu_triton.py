"""GELU and its backward pass in Triton; what they compute is defined in `gelu_codes`.

Legend: R rows, C columns of a matrix.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_TILE, _WARPS = 64, 4

KINDS = {None: 0, "none": 1, "tanh": 2}
"""Numbers that the kernels know no activation, the exact GELU and GPT-2's formula by."""

_LARGEST = {torch.float8_e4m3fn: 448.0, torch.float8_e5m2: 57344.0}


@triton.jit
def share_of(values, KIND: tl.constexpr):  # noqa: ANN201  # Triton reads annotations
    """Return what GELU multiplies its input with."""
    if KIND == 1:
        return 0.5 * (1.0 + tl.erf(values * 0.7071067811865476))
    # sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)) is GPT-2's 0.5 (1 + tanh(...)).
    inner = 1.5957691216057308 * (values + 0.044715 * values * values * values)
    return 1.0 / (1.0 + tl.exp(-inner))


@triton.jit
def _backward_tile(
    GRADIENT,
    HIDDEN,
    FOUND,
    TOPS,
    SCALE,
    CODES,
    rows,
    columns,
    LARGEST: tl.constexpr,
    WANT_CODES: tl.constexpr,
    KIND: tl.constexpr,
    TILE: tl.constexpr,
):
    row = tl.program_id(0) * TILE + tl.arange(0, TILE)
    column = tl.program_id(1) * TILE + tl.arange(0, TILE)
    inside = (row < rows)[:, None] & (column < columns)[None, :]
    place = row[:, None].to(tl.int64) * columns + column[None, :]
    values = tl.load(HIDDEN + place, mask=inside, other=0.0).to(tl.float32)
    gradient = tl.load(GRADIENT + place, mask=inside, other=0.0).to(tl.float32)
    share = share_of(values, KIND)
    if KIND == 1:
        slope = share + values * tl.exp(-0.5 * values * values) * 0.3989422804014327
    else:
        inner = 1.5957691216057308 * (1.0 + 0.134145 * values * values)
        slope = share + values * share * (1.0 - share) * inner
    found = (gradient * slope).to(FOUND.dtype.element_ty)
    tl.store(FOUND + place, found, mask=inside)
    top = tl.max(tl.max(tl.abs(found.to(tl.float32)), 1), 0)
    tl.store(TOPS + tl.program_id(0) * tl.num_programs(1) + tl.program_id(1), top)
    if WANT_CODES:
        scaled = values * share * (1.0 / tl.load(SCALE))
        scaled = tl.minimum(tl.maximum(scaled, -LARGEST), LARGEST)
        turned = column[:, None].to(tl.int64) * rows + row[None, :]
        codes = tl.trans(scaled.to(CODES.dtype.element_ty))
        tl.store(CODES + turned, codes, mask=tl.trans(inside))


def backward_on_card(
    gradient_RC: Tensor,
    hidden_RC: Tensor,
    approximation: str,
    scale: Tensor | None,
    dtype: torch.dtype | None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return gradient, its largest magnitude, and turned codes [C, R] where a scale is given."""
    height, width = hidden_RC.shape
    grid = (triton.cdiv(height, _TILE), triton.cdiv(width, _TILE))
    found = torch.empty_like(hidden_RC)
    tops = torch.empty(grid, device=hidden_RC.device)
    wanted = scale is not None and dtype is not None
    codes = torch.empty((width, height), dtype=dtype, device=hidden_RC.device) if wanted else None
    _backward_tile[grid](
        gradient_RC.contiguous(),
        hidden_RC,
        found,
        tops,
        scale if wanted else tops,
        codes if codes is not None else found,
        height,
        width,
        LARGEST=_LARGEST[dtype] if dtype is not None else 1.0,
        WANT_CODES=wanted,
        KIND=KINDS[approximation],
        TILE=_TILE,
        num_warps=_WARPS,
    )
    return found, tops.amax(), codes
