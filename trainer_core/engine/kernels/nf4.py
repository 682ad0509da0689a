"""Frozen weights in 4 bits: codes of the normal distribution's quantiles, one scale a block.

Two codes share a byte, the earlier in its upper half. A weight is made anew from its codes in each
pass, used in one product and dropped.

Source: NF4 of Dettmers et al. 2023, appendix E, https://arxiv.org/abs/2305.14314

Legend: T tokens, I inputs, O outputs.
"""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, library
from torch.nn.functional import embedding, linear

from trainer_core.engine.kernels.available import has_triton

CODES = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)
"""What each code stands for, times its block's scale."""

BLOCK = 64
"""Weights that share a scale, their largest magnitude; 4.5 bits a weight with it."""


def encode(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round a weight to the nearest codes.

    Args:
        weight: Whose elements are a multiple of BLOCK.

    Returns:
        Codes, uint8 [elements / 2], and scales, fp32 [elements / BLOCK].
    """
    blocks = weight.detach().float().reshape(-1, BLOCK)
    scales = blocks.abs().amax(1)
    shares = blocks / torch.where(scales > 0, scales, 1.0)[:, None]
    levels = _levels(weight.device)
    codes = torch.bucketize(shares.view(-1), (levels[1:] + levels[:-1]) / 2, out_int32=True)
    pairs = codes.to(torch.uint8).view(-1, 2)
    return (pairs[:, 0] << 4) | pairs[:, 1], scales


@library.custom_op("moai_tui::nf4_decode", mutates_args=())
def decode(codes: Tensor, scales: Tensor, rows: int, columns: int, dtype: torch.dtype) -> Tensor:
    """Return the weight [rows, columns] that codes and scales stand for."""
    return _decoded(codes, scales, rows, columns, dtype)


@library.custom_op("moai_tui::nf4_decode_after", mutates_args=())
def decode_after(  # noqa: PLR0917  # an operator's schema
    codes: Tensor, scales: Tensor, rows: int, columns: int, dtype: torch.dtype, earlier: Tensor
) -> Tensor:
    """Return the same, made only when `earlier`, which is not read, is there.

    With a gradient as `earlier` the compiler cannot make the weight in the forward pass and keep
    it for the backward pass, which would be all of the memory that 4 bits save.
    """
    return _decoded(codes, scales, rows, columns, dtype)


@decode.register_fake
def _(codes: Tensor, scales: Tensor, rows: int, columns: int, dtype: torch.dtype) -> Tensor:
    return torch.empty((rows, columns), dtype=dtype, device=codes.device)


@decode_after.register_fake
def _(  # noqa: PLR0917  # as above
    codes: Tensor, scales: Tensor, rows: int, columns: int, dtype: torch.dtype, earlier: Tensor
) -> Tensor:
    return torch.empty((rows, columns), dtype=dtype, device=codes.device)


def product(
    input: Tensor, codes: Tensor, scales: Tensor, bias_O: Tensor | None, outputs: int
) -> Tensor:
    """Return `input @ weight.T + bias` in the input's format; the weight gets no gradient.

    Args:
        input: [..., I].
        codes: Of the weight [O, I].
        scales: Of its blocks.
        bias_O: Frozen too.
        outputs: O.
    """
    return cast(Tensor, cast(Any, _Product).apply(input, codes, scales, bias_O, outputs))


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917  # autograd passes by position
        ctx: Any, input: Tensor, codes: Tensor, scales: Tensor, bias_O: Tensor | None, outputs: int
    ) -> Tensor:
        ctx.save_for_backward(codes, scales)
        ctx.shape = (outputs, input.shape[-1])
        weight_OI = decode(codes, scales, outputs, input.shape[-1], input.dtype)
        return linear(input, weight_OI, None if bias_O is None else bias_O.to(input.dtype))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        codes, scales = ctx.saved_tensors
        weight_OI = decode_after(codes, scales, *ctx.shape, gradient.dtype, gradient)
        return gradient @ weight_OI, None, None, None, None


@cache
def _levels(device: torch.device) -> Tensor:
    """Return CODES on a device, made once: a copy to a card would wait for all work before it."""
    return torch.tensor(CODES, device=device)


def _decoded(codes: Tensor, scales: Tensor, rows: int, columns: int, dtype: torch.dtype) -> Tensor:
    levels = _levels(codes.device)
    if codes.is_cuda and has_triton():
        from trainer_core.engine.kernels.nf4_triton import decode_on_card

        return decode_on_card(codes, scales, levels, dtype).view(rows, columns)
    # A table of both numbers of a byte: one look-up for two weights.
    pairs = torch.stack([levels.repeat_interleave(16), levels.repeat(16)], dim=1)
    blocks = embedding(codes.int(), pairs).view(-1, BLOCK)
    return blocks.mul_(scales[:, None]).to(dtype).view(rows, columns)
