"""The casts of `fp8_cast` as one Triton kernel: a tile is read once and written as often as asked.

Legend: R rows, C columns of a matrix.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from trainer_core.engine.kernels.gelu_triton import KINDS, share_of

_TILE, _WARPS = 64, 4
"""Rows and columns of a tile, so that both ways of writing fill whole lines of memory."""

_LARGEST = {torch.float8_e4m3fn: 448.0, torch.float8_e5m2: 57344.0}


@triton.jit
def _cast_tile(
    VALUES,
    SCALE,
    ROWS,
    COLUMNS,
    SUMS,
    rows,
    columns,
    LARGEST: tl.constexpr,
    WANT_ROWS: tl.constexpr,
    WANT_COLUMNS: tl.constexpr,
    WANT_SUMS: tl.constexpr,
    KIND: tl.constexpr,
    TILE: tl.constexpr,
):
    row = tl.program_id(0) * TILE + tl.arange(0, TILE)
    column = tl.program_id(1) * TILE + tl.arange(0, TILE)
    inside = (row < rows)[:, None] & (column < columns)[None, :]
    place = row[:, None].to(tl.int64) * columns + column[None, :]
    values = tl.load(VALUES + place, mask=inside, other=0.0).to(tl.float32)
    if WANT_SUMS:
        part = tl.program_id(0).to(tl.int64) * columns + column
        tl.store(SUMS + part, tl.sum(values, 0), mask=column < columns)
    if KIND > 0:
        values = values * share_of(values, KIND)
    scaled = values * (1.0 / tl.load(SCALE))
    scaled = tl.minimum(tl.maximum(scaled, -LARGEST), LARGEST)
    if WANT_ROWS:
        tl.store(ROWS + place, scaled.to(ROWS.dtype.element_ty), mask=inside)
    if WANT_COLUMNS:
        turned = column[:, None].to(tl.int64) * rows + row[None, :]
        codes = tl.trans(scaled.to(COLUMNS.dtype.element_ty))
        tl.store(COLUMNS + turned, codes, mask=tl.trans(inside))


def cast_on_card(
    values_RC: Tensor,
    scale: Tensor,
    dtype: torch.dtype,
    *,
    rows: bool,
    columns: bool,
    sums: bool,
    gelu: str | None = None,
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return codes [R, C], turned codes [C, R] and partial sums [parts, C], each where asked.

    Args:
        values_RC: bf16, contiguous.
        scale: fp32 scalar that the numbers are divided by.
        dtype: Of the codes.
        rows: Whether codes are wanted as they are.
        columns: Whether they are wanted turned over.
        sums: Whether the rows' sum is wanted, of 64 rows each.
        gelu: Applied before the cast, as `gelu_codes.Approximation`; None casts what is there.
    """
    height, width = values_RC.shape
    grid = (triton.cdiv(height, _TILE), triton.cdiv(width, _TILE))
    device = values_RC.device
    as_is = torch.empty((height, width), dtype=dtype, device=device) if rows else None
    turned = torch.empty((width, height), dtype=dtype, device=device) if columns else None
    parts = torch.empty((grid[0], width), device=device) if sums else None
    _cast_tile[grid](
        values_RC,
        scale,
        as_is if as_is is not None else turned,
        turned if turned is not None else as_is,
        parts if parts is not None else scale,
        height,
        width,
        LARGEST=_LARGEST[dtype],
        WANT_ROWS=rows,
        WANT_COLUMNS=columns,
        WANT_SUMS=sums,
        KIND=KINDS[gelu],
        TILE=_TILE,
        num_warps=_WARPS,
    )
    return as_is, turned, parts
