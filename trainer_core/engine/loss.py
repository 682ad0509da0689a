"""Token loss from hidden states: cross-entropy whose logits are never all in memory at once.

Legend: T tokens of a flat stream, D width, V vocabulary, C tokens of one chunk.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from trainer_core.engine.kernels.available import has_triton

IGNORE_INDEX = -100
"""Label of a token that does not count."""

CHUNK_BYTES = 64 << 20
"""Size of one chunk's logits in fp32; chunk length had no measurable effect on speed."""


def token_loss_sum(
    hidden_TD: Tensor, weight_VD: Tensor, labels_T: Tensor, *, chunk: int | None = None
) -> Tensor:
    """Sum of the cross-entropy of all counted tokens, its gradients made chunk by chunk.

    Args:
        hidden_TD: Last hidden states, fp32 or bf16.
        weight_VD: Weight of the head, which has no bias; the tied embedding is as good.
        labels_T: Target ids already shifted by one; IGNORE_INDEX is left out.
        chunk: Tokens whose logits exist at the same time; None fits CHUNK_BYTES.

    Returns:
        Scalar fp32, nats. Divide by the counted tokens of the *global* batch.
    """
    if torch.is_autocast_enabled(hidden_TD.device.type):
        compute = torch.get_autocast_dtype(hidden_TD.device.type)
        hidden_TD, weight_VD = hidden_TD.to(compute), weight_VD.to(compute)
    if hidden_TD.is_cuda and has_triton():
        from trainer_core.engine.card_loss import CardCrossEntropy, chunk_length

        chunk = chunk or chunk_length(
            hidden_TD.shape[0], weight_VD.shape[0], hidden_TD.element_size()
        )
        return CardCrossEntropy.apply(hidden_TD, weight_VD, labels_T, chunk)  # type: ignore[no-any-return, no-untyped-call]
    if hidden_TD.device.type == "cpu":
        # A prompt's tokens need no logits; on a card their number would have to be waited for.
        counted = (labels_T != IGNORE_INDEX).nonzero()[:, 0]
        hidden_TD, labels_T = hidden_TD.index_select(0, counted), labels_T[counted]
    if chunk is None:
        chunk = max(64, CHUNK_BYTES // (4 * weight_VD.shape[0]))
    return ChunkedCrossEntropy.apply(hidden_TD, weight_VD, labels_T, chunk)  # type: ignore[no-any-return, no-untyped-call]


def plain_loss_sum(logits_TV: Tensor, labels_T: Tensor) -> Tensor:
    """The same from whole logits, for heads that do more than one matrix product."""
    return nn.functional.cross_entropy(
        logits_TV.float(), labels_T, ignore_index=IGNORE_INDEX, reduction="sum"
    )


class ChunkedCrossEntropy(torch.autograd.Function):
    """Cross-entropy of `hidden @ weight.T`; gradients are made while the logits are there."""

    @staticmethod
    def forward(
        ctx: Any, hidden_TD: Tensor, weight_VD: Tensor, labels_T: Tensor, chunk: int
    ) -> Tensor:
        """Return the summed loss and keep both gradients for the backward pass."""
        wants_hidden, wants_weight = ctx.needs_input_grad[0], ctx.needs_input_grad[1]
        grad_hidden = torch.empty_like(hidden_TD) if wants_hidden else None
        # Summed over chunks, so in fp32 whatever the weight's format.
        grad_weight = torch.zeros_like(weight_VD, dtype=torch.float32) if wants_weight else None
        total = torch.zeros((), dtype=torch.float32, device=hidden_TD.device)
        for start in range(0, hidden_TD.shape[0], chunk):
            rows = slice(start, start + chunk)
            hidden_CD, labels_C = hidden_TD[rows], labels_T[rows]
            scores_CV, loss = _softmax_minus_target(hidden_CD @ weight_VD.t(), labels_C)
            total += loss
            if grad_hidden is not None:
                torch.mm(scores_CV, weight_VD, out=grad_hidden[rows])
            if grad_weight is not None:
                _add_product(grad_weight, scores_CV, hidden_CD)
        ctx.dtypes = (hidden_TD.dtype, weight_VD.dtype)
        ctx.save_for_backward(grad_hidden, grad_weight)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_total: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        """Scale the kept gradients."""
        grad_hidden, grad_weight = ctx.saved_tensors
        hidden_dtype, weight_dtype = ctx.dtypes
        if grad_hidden is not None:
            grad_hidden = (grad_hidden * grad_total).to(hidden_dtype)
        if grad_weight is not None:
            grad_weight = (grad_weight * grad_total).to(weight_dtype)
        return grad_hidden, grad_weight, None, None


def _softmax_minus_target(logits_CV: Tensor, labels_C: Tensor) -> tuple[Tensor, Tensor]:
    """Return d(sum of losses)/d(logits) in the logits' dtype, and the sum of losses in fp32."""
    dtype = logits_CV.dtype
    counted_C = labels_C >= 0
    targets_C1 = labels_C.clamp_min(0)[:, None]
    scores_CV = logits_CV.float() if dtype != torch.float32 else logits_CV
    scores_CV.sub_(scores_CV.amax(1, keepdim=True))
    target_C = scores_CV.gather(1, targets_C1)[:, 0]
    scores_CV.exp_()
    sums_C1 = scores_CV.sum(1, keepdim=True)
    # Chosen, not multiplied: a token that does not count must not carry its infinity along.
    losses_C = torch.where(counted_C, sums_C1[:, 0].log() - target_C, 0.0)
    scores_CV.mul_(counted_C[:, None] / sums_C1)
    scores_CV.scatter_add_(1, targets_C1, -counted_C[:, None].to(scores_CV.dtype))
    return scores_CV.to(dtype), losses_C.sum()


def _add_product(total_VD: Tensor, scores_CV: Tensor, hidden_CD: Tensor) -> None:
    if scores_CV.dtype == torch.float32:
        total_VD.addmm_(scores_CV.t(), hidden_CD)
    else:
        total_VD.add_(scores_CV.t() @ hidden_CD)
