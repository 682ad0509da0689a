"""GELU on the way into fp8 and back: its output goes straight into codes, never to memory.

Between two products of a GPT-2 block lies the widest tensor there is. Left to the compiler, its
activation is computed three times and written once in bf16 only to be cast.

Legend: R rows (tokens), C columns (feed-forward width) of a matrix.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, library
from torch.nn.functional import gelu

from trainer_core.engine.kernels.available import has_triton
from trainer_core.engine.kernels.fp8_cast import LARGEST

Approximation = Literal["none", "tanh"]
"""As `torch.nn.functional.gelu` names it: exact, or GPT-2's own formula."""

_LARGEST_BELOW_ZERO = 0.17005
"""Largest magnitude that either GELU has left of zero, at about -0.75."""


def largest_after_gelu(hidden_RC: Tensor, approximation: str) -> Tensor:
    """Return the largest magnitude of GELU's output, an fp32 scalar.

    GELU rises right of zero, so its largest input tells; 0.17 at least, which is what it can have
    left of zero.
    """
    top = gelu(hidden_RC.amax().float(), approximate=approximation)
    return top.clamp_min(_LARGEST_BELOW_ZERO)


@library.custom_op("moai_tui::gelu_rows", mutates_args=())
def gelu_rows(hidden_RC: Tensor, scale: Tensor, dtype: torch.dtype, approximation: str) -> Tensor:
    """Return the codes of GELU's output as [R, C]."""
    codes: Tensor = _codes(hidden_RC, scale, dtype, approximation, columns=False)[0]
    return codes


@library.custom_op("moai_tui::gelu_both", mutates_args=())
def gelu_both(
    hidden_RC: Tensor, scale: Tensor, dtype: torch.dtype, approximation: str
) -> tuple[Tensor, Tensor]:
    """Return the codes of GELU's output as [R, C] and as [C, R], both contiguous."""
    return _codes(hidden_RC, scale, dtype, approximation, columns=True)


@library.custom_op("moai_tui::gelu_backward", mutates_args=())
def gelu_backward(
    gradient_RC: Tensor, hidden_RC: Tensor, approximation: str
) -> tuple[Tensor, Tensor]:
    """Return the gradient of GELU's input and its largest magnitude, an fp32 scalar."""
    found, largest, _ = _backward(gradient_RC, hidden_RC, approximation, None, None)
    return found, largest


@library.custom_op("moai_tui::gelu_backward_and_codes", mutates_args=())
def gelu_backward_and_codes(
    gradient_RC: Tensor, hidden_RC: Tensor, approximation: str, scale: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the same, and the codes of GELU's output as [C, R], made again from its input."""
    return _backward(gradient_RC, hidden_RC, approximation, scale, dtype)


@gelu_rows.register_fake
def _(hidden_RC: Tensor, scale: Tensor, dtype: torch.dtype, approximation: str) -> Tensor:
    return torch.empty(tuple(hidden_RC.shape), dtype=dtype, device=hidden_RC.device)


@gelu_both.register_fake
def _(
    hidden_RC: Tensor, scale: Tensor, dtype: torch.dtype, approximation: str
) -> tuple[Tensor, Tensor]:
    rows, columns = hidden_RC.shape
    return (
        torch.empty((rows, columns), dtype=dtype, device=hidden_RC.device),
        torch.empty((columns, rows), dtype=dtype, device=hidden_RC.device),
    )


@gelu_backward.register_fake
def _(gradient_RC: Tensor, hidden_RC: Tensor, approximation: str) -> tuple[Tensor, Tensor]:
    return torch.empty_like(hidden_RC), hidden_RC.new_empty((), dtype=torch.float32)


@gelu_backward_and_codes.register_fake
def _(
    gradient_RC: Tensor, hidden_RC: Tensor, approximation: str, scale: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    rows, columns = hidden_RC.shape
    return (
        torch.empty_like(hidden_RC),
        hidden_RC.new_empty((), dtype=torch.float32),
        torch.empty((columns, rows), dtype=dtype, device=hidden_RC.device),
    )


def _codes(
    hidden_RC: Tensor, scale: Tensor, dtype: torch.dtype, approximation: str, *, columns: bool
) -> tuple[Any, Any]:
    if hidden_RC.is_cuda and has_triton():
        from trainer_core.engine.kernels.fp8_cast_triton import cast_on_card

        return cast_on_card(
            hidden_RC, scale, dtype, rows=True, columns=columns, sums=False, gelu=approximation
        )[:2]
    codes = _coded(hidden_RC, scale, dtype, approximation)
    return codes, codes.t().contiguous() if columns else None


def _backward(
    gradient_RC: Tensor,
    hidden_RC: Tensor,
    approximation: str,
    scale: Tensor | None,
    dtype: torch.dtype | None,
) -> tuple[Any, Any, Any]:
    """Return gradient, its largest magnitude, and turned codes where a scale is given."""
    if hidden_RC.is_cuda and has_triton():
        from trainer_core.engine.kernels.gelu_triton import backward_on_card

        return backward_on_card(gradient_RC, hidden_RC, approximation, scale, dtype)
    found = gradient_RC.float() * slope_of_gelu(hidden_RC.float(), approximation)
    found = found.to(hidden_RC.dtype)
    codes = None
    if scale is not None and dtype is not None:
        codes = _coded(hidden_RC, scale, dtype, approximation).t().contiguous()
    return found, found.abs().amax().float(), codes


def slope_of_gelu(values: Tensor, approximation: str) -> Tensor:
    """Return GELU's derivative, which the kernel computes by the same formulas."""
    if approximation == "none":
        share = 0.5 * (1 + torch.erf(values * math.sqrt(0.5)))
        return share + values * torch.exp(-0.5 * values * values) / math.sqrt(2 * math.pi)
    factor = 2 * math.sqrt(2 / math.pi)
    share = torch.sigmoid(factor * (values + 0.044715 * values**3))
    return share + values * share * (1 - share) * factor * (1 + 3 * 0.044715 * values * values)


def _coded(hidden_RC: Tensor, scale: Tensor, dtype: torch.dtype, approximation: str) -> Tensor:
    limit = LARGEST[dtype]
    values = gelu(hidden_RC.float(), approximate=approximation)
    return (values / scale).clamp(-limit, limit).to(dtype)
