"""Token loss on a card: logits of some thousand tokens at a time, turned into gradients in place.

Legend: T tokens of a flat stream, D width, V vocabulary, P the same filled up, C tokens of one
chunk.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

CHUNK_BYTES = 640 << 20
"""Most that one chunk's logits take. Each chunk adds a whole [V, D] gradient to the sum, so few are
best: 64 MiB cost a third of a 111M model's step (one H100, torch 2.11, November 2026)."""

_ALIGNMENT = 64
"""The vocabulary of the products is filled up to a multiple of it: for odd sizes as GPT-2's 50,257
cuBLAS has slow kernels only, 145 instead of 840 TFLOP/s (H100, torch 2.11, November 2026)."""


class CardCrossEntropy(torch.autograd.Function):
    """Summed cross-entropy of `hidden @ weight.T`, gradients made while the logits are there."""

    @staticmethod
    def forward(
        ctx: Any, hidden_TD: Tensor, weight_VD: Tensor, labels_T: Tensor, chunk: int
    ) -> Tensor:
        """Return the summed loss and keep both gradients for the backward pass."""
        from trainer_core.engine.kernels.softmax_triton import softmax_minus_target_

        wants_hidden, wants_weight = ctx.needs_input_grad[0], ctx.needs_input_grad[1]
        tokens, vocabulary = hidden_TD.shape[0], weight_VD.shape[0]
        chunk = min(chunk, tokens)
        grad_hidden = torch.empty_like(hidden_TD) if wants_hidden else None
        grad_weight: Tensor | None = None
        losses_T = torch.empty(tokens, device=hidden_TD.device)
        head_PD = _filled_up(weight_VD)
        space = hidden_TD.new_empty((chunk, head_PD.shape[0]))
        for start in range(0, tokens, chunk):
            rows = slice(start, min(start + chunk, tokens))
            hidden_CD = hidden_TD[rows]
            scores_CP = space[: hidden_CD.shape[0]]
            torch.mm(hidden_CD, head_PD.t(), out=scores_CP)
            losses_T[rows] = softmax_minus_target_(scores_CP, labels_T[rows], vocabulary)
            if grad_hidden is not None:
                torch.mm(scores_CP, head_PD, out=grad_hidden[rows])
            if wants_weight:
                grad_weight = _added(grad_weight, scores_CP, hidden_CD, whole=chunk == tokens)
        ctx.weight_dtype, ctx.vocabulary = weight_VD.dtype, vocabulary
        ctx.save_for_backward(grad_hidden, grad_weight)
        return losses_T.sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_total: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        """Scale the kept gradients in place: there is one backward pass."""
        grad_hidden, grad_weight = ctx.saved_tensors
        if grad_hidden is not None:
            grad_hidden.mul_(grad_total)
        if grad_weight is not None:
            grad_weight = grad_weight[: ctx.vocabulary].mul_(grad_total).to(ctx.weight_dtype)
        return grad_hidden, grad_weight, None, None


def chunk_length(tokens: int, vocabulary: int, element_bytes: int) -> int:
    """Return the tokens of one chunk: equal parts whose logits take at most CHUNK_BYTES."""
    most = max(128, CHUNK_BYTES // (element_bytes * vocabulary) // 128 * 128)
    each = -(-tokens // -(-tokens // most))
    return min(most, -(-each // 128) * 128)


def _filled_up(weight_VD: Tensor) -> Tensor:
    """Return the weight with rows of zeros up to a size that matrix libraries are fast with."""
    missing = -weight_VD.shape[0] % _ALIGNMENT
    return nn.functional.pad(weight_VD, (0, 0, 0, missing)) if missing else weight_VD


def _added(total: Tensor | None, scores_CP: Tensor, hidden_CD: Tensor, *, whole: bool) -> Tensor:
    """Return the weight's gradient with one chunk's added, summed in fp32 where there are more."""
    if whole:
        return scores_CP.t() @ hidden_CD
    if scores_CP.dtype == torch.float32:
        product = scores_CP.t() @ hidden_CD
    else:
        product = torch.mm(scores_CP.t(), hidden_CD, out_dtype=torch.float32)
    return product if total is None else total.add_(product)
