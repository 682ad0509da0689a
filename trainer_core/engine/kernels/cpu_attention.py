"""Attention of many documents on a CPU as one operation: no copies and few Python calls each.

Legend: H heads, T tokens, E head width.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_FORWARD = "_scaled_dot_product_flash_attention_for_cpu"
_BACKWARD = "_scaled_dot_product_flash_attention_for_cpu_backward"


def available(query_1HTE: Tensor) -> bool:
    """Whether torch has the kernels for this tensor; they are not part of its promised names."""
    known = hasattr(torch.ops.aten, _FORWARD) and hasattr(torch.ops.aten, _BACKWARD)
    return known and query_1HTE.device.type == "cpu" and query_1HTE.shape[0] == 1


def attend(
    query_1HTE: Tensor,
    key_1HTE: Tensor,
    value_1HTE: Tensor,
    lengths: tuple[int, ...],
    scale: float | None,
) -> Tensor:
    """Return causal attention inside each document, [1, H, T, E] with tokens outermost in memory.

    Args:
        query_1HTE: All documents side by side.
        key_1HTE: With as many heads as the query.
        value_1HTE: As the key.
        lengths: Tokens of each document; their sum is T.
        scale: Of the scores; None is one over the root of E.
    """
    apply = cast(Any, _DocumentAttention).apply
    return cast(Tensor, apply(query_1HTE, key_1HTE, value_1HTE, lengths, scale))


class _DocumentAttention(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917  # autograd passes by position
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        lengths: tuple[int, ...],
        scale: float | None,
    ) -> Tensor:
        kernel = getattr(torch.ops.aten, _FORWARD).default
        query, key, value = (_readable(tensor) for tensor in (query, key, value))
        output = _tokens_outermost(query)
        sums = []
        start = 0
        for length in lengths:
            document = (tensor.narrow(2, start, length) for tensor in (query, key, value))
            part, sum_ = kernel(*document, 0.0, True, scale=scale)
            output.narrow(2, start, length).copy_(part)
            sums.append(sum_)
            start += length
        ctx.save_for_backward(query, key, value, output, *sums)
        ctx.lengths, ctx.scale = lengths, scale
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, output, *sums = ctx.saved_tensors
        kernel = getattr(torch.ops.aten, _BACKWARD).default
        gradient = _readable(gradient)
        results = [_tokens_outermost(tensor) for tensor in (query, key, value)]
        start = 0
        for length, sum_ in zip(ctx.lengths, sums, strict=True):
            document = [
                tensor.narrow(2, start, length) for tensor in (gradient, query, key, value, output)
            ]
            parts = kernel(*document, sum_, 0.0, True, scale=ctx.scale)
            for result, part in zip(results, parts, strict=True):
                result.narrow(2, start, length).copy_(part)
            start += length
        return (*results, None, None)


def _readable(tensor: Tensor) -> Tensor:
    """Return the tensor with each head's row in one piece, as the kernels read it."""
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def _tokens_outermost(like_1HTE: Tensor) -> Tensor:
    """Return room for such a tensor in the layout that projections read and write."""
    _, heads, tokens, width = like_1HTE.shape
    return like_1HTE.new_empty((1, tokens, heads, width)).transpose(1, 2)
