"""Numbers turned into 8-bit floats with one scale a tensor, in the layouts matrix units want.

A Hopper card multiplies fp8 only where both operands run along the summed dimension. So a tensor
that takes part in two products is written twice from one reading: as it is, and turned over.

Legend: R rows, C columns of a matrix.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, library

from trainer_core.engine.kernels.available import has_triton

LARGEST = {torch.float8_e4m3fn: 448.0, torch.float8_e5m2: 57344.0}
"""Largest number of each format."""


def largest_magnitude(values: Tensor) -> Tensor:
    """Return the largest magnitude of a tensor as an fp32 scalar."""
    return values.abs().amax().float()


def scale_of(largest: Tensor, dtype: torch.dtype) -> Tensor:
    """Return what codes are multiplied with to get the numbers back; 1 for a tensor of zeros."""
    return torch.where(largest > 0, largest / LARGEST[dtype], 1.0)


@library.custom_op("moai_tui::cast_both", mutates_args=())
def cast_both(values_RC: Tensor, scale: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return the codes as [R, C] and as [C, R], both contiguous."""
    return _cast(values_RC, scale, dtype, rows=True, columns=True)[:2]


@library.custom_op("moai_tui::cast_rows", mutates_args=())
def cast_rows(values_RC: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the codes as [R, C]."""
    codes: Tensor = _cast(values_RC, scale, dtype, rows=True)[0]
    return codes


@library.custom_op("moai_tui::cast_columns", mutates_args=())
def cast_columns(values_RC: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the codes as [C, R]."""
    codes: Tensor = _cast(values_RC, scale, dtype, columns=True)[1]
    return codes


@library.custom_op("moai_tui::cast_columns_after", mutates_args=())
def cast_columns_after(
    values_RC: Tensor, scale: Tensor, dtype: torch.dtype, earlier: Tensor
) -> Tensor:
    """Return the codes as [C, R], made only when `earlier`, which is not read, is there.

    With a gradient as `earlier` the compiler cannot move the cast into the forward pass, where it
    would keep the codes for the backward pass instead of making them again.
    """
    codes: Tensor = _cast(values_RC, scale, dtype, columns=True)[1]
    return codes


@library.custom_op("moai_tui::cast_rows_after", mutates_args=())
def cast_rows_after(
    values_RC: Tensor, scale: Tensor, dtype: torch.dtype, earlier: Tensor
) -> Tensor:
    """Return the codes as [R, C], made only when `earlier` is there, as above."""
    codes: Tensor = _cast(values_RC, scale, dtype, rows=True)[0]
    return codes


@library.custom_op("moai_tui::cast_both_and_sum", mutates_args=())
def cast_both_and_sum(
    values_RC: Tensor, scale: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the codes as [R, C] and as [C, R], and the sum of the rows, fp32 [C]."""
    rows, columns, sums = _cast(values_RC, scale, dtype, rows=True, columns=True, sums=True)
    return rows, columns, sums.sum(0)


@cast_both.register_fake
def _(values_RC: Tensor, scale: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    return _like(values_RC, dtype), _like(values_RC.t(), dtype)


@cast_rows.register_fake
def _(values_RC: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    return _like(values_RC, dtype)


@cast_columns.register_fake
def _(values_RC: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    return _like(values_RC.t(), dtype)


@cast_columns_after.register_fake
def _(values_RC: Tensor, scale: Tensor, dtype: torch.dtype, earlier: Tensor) -> Tensor:
    return _like(values_RC.t(), dtype)


@cast_rows_after.register_fake
def _(values_RC: Tensor, scale: Tensor, dtype: torch.dtype, earlier: Tensor) -> Tensor:
    return _like(values_RC, dtype)


@cast_both_and_sum.register_fake
def _(values_RC: Tensor, scale: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    sums = values_RC.new_empty(values_RC.shape[1], dtype=torch.float32)
    return _like(values_RC, dtype), _like(values_RC.t(), dtype), sums


def _like(values: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.empty(tuple(values.shape), dtype=dtype, device=values.device)


def _cast(
    values_RC: Tensor,
    scale: Tensor,
    dtype: torch.dtype,
    *,
    rows: bool = False,
    columns: bool = False,
    sums: bool = False,
) -> tuple[Any, Any, Any]:
    """Return what was asked for: codes, turned codes, and partial sums of the rows [parts, C]."""
    if values_RC.is_cuda and has_triton():
        from trainer_core.engine.kernels.fp8_cast_triton import cast_on_card

        whole = values_RC.contiguous()
        return cast_on_card(whole, scale, dtype, rows=rows, columns=columns, sums=sums)
    limit = LARGEST[dtype]
    codes = (values_RC.float() / scale).clamp(-limit, limit).to(dtype)
    return (
        codes.clone() if rows else None,
        codes.t().contiguous() if columns else None,
        values_RC.float().sum(0, keepdim=True) if sums else None,
    )
