"""Attention inside documents: one flat stream holds many, and none sees another.

Registered with transformers as the attention function `NAME`, so every architecture that asks its
attention interface trains on packed documents without padding and without a mask. Which documents
there are comes in with each forward pass as keyword arguments, which transformers 5 hands down to
every layer.

Legend: B batch (always 1 for packed documents), H heads, K key-value heads, T tokens, E head width.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from trainer_core.engine.kernels import cpu_attention
from trainer_core.engine.parallel import context
from trainer_core.engine.parallel.context import Piece

NAME = "moai_documents"
"""Attention implementation of models that train. No mask function is registered under it, and
transformers builds no mask for such an implementation."""


def register() -> None:
    """Make NAME known to transformers; may be called again."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(NAME, document_attention)


def uses_interface(model: nn.Module) -> bool:
    """Whether all token mixing of a model goes through transformers' attention interface.

    Recurrent and convolutional mixers carry a state from one document into the next, and some old
    architectures have attention of their own: those are given one document at a time.
    """
    supported = bool(getattr(type(model), "_supports_attention_backend", False))
    stateful = bool(getattr(type(model), "_is_stateful", False))
    return supported and not stateful


def document_arguments(
    lengths: Sequence[int], cumulative: Tensor | None = None, *, longest: int | None = None
) -> dict[str, Any]:
    """Return the keyword arguments that tell a forward pass where documents end.

    Args:
        lengths: Tokens of each document, in order; their sum is T.
        cumulative: [documents + 1] int32 on the card, for its kernel; None where lengths are
            enough. With it shapes stay constant and compiled blocks are not compiled again.
        longest: Upper bound of the lengths, constant over the run; with `cumulative` only.
    """
    if cumulative is None:
        return {"document_lengths": tuple(lengths)}
    bound = longest or max(lengths)
    return {
        "cu_seq_lens_q": cumulative,
        "cu_seq_lens_k": cumulative,
        "max_length_q": bound,
        "max_length_k": bound,
    }


def document_attention(
    module: nn.Module,
    query_BHTE: Tensor,
    key_BKTE: Tensor,
    value_BKTE: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    document_lengths: tuple[int, ...] | None = None,
    cu_seq_lens_q: Tensor | None = None,
    max_length_q: int | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    context_piece: Piece | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers calls it; [B, T, H, E] comes back, and no attention weights.

    Without document arguments (as in generation) it is transformers' own SDPA function.
    """
    tensors = (query_BHTE, key_BKTE, value_BKTE)
    settings: dict[str, Any] = {"scaling": scaling, "dropout": dropout, "window": sliding_window}
    attend: Callable[..., Tensor] = _fused
    if softcap is not None or s_aux is not None:
        attend = _plain
        settings |= {"softcap": softcap, "sink_H": s_aux}
    if context_piece is not None and document_lengths is not None:
        one = partial(attend, **settings)
        return context.attend(tensors, document_lengths, context_piece, one).transpose(1, 2), None
    if cu_seq_lens_q is not None and max_length_q is not None:
        # The window of the kernel counts the tokens before the query, ours the query too.
        window = (sliding_window - 1 if sliding_window else -1, 0)
        kernel: dict[str, Any] = {"ends": cu_seq_lens_q, "longest": max_length_q, "window": window}
        return _varlen(tensors, scaling=scaling, **kernel).unsqueeze(0), None
    if document_lengths is not None:
        if attend is _fused and dropout == 0.0 and sliding_window is None:
            if cpu_attention.available(query_BHTE):
                output = cpu_attention.attend(*_equal_heads(tensors), document_lengths, scaling)
                return output.transpose(1, 2), None
        pieces = [torch.split(tensor, list(document_lengths), dim=2) for tensor in tensors]
        outputs = [attend(*document, **settings) for document in zip(*pieces, strict=True)]
        return torch.cat(outputs, dim=2).transpose(1, 2), None
    if attend is _plain:
        return _plain(*tensors, **settings).transpose(1, 2), None
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    others |= {"scaling": scaling, "dropout": dropout, "sliding_window": sliding_window}
    return sdpa_attention_forward(module, *tensors, attention_mask, **others)[0], None


def varlen_available(device: torch.device) -> bool:
    """Whether torch's variable-length flash attention runs on a device in bf16.

    Tried once on a few tokens: a build may have the function and no kernel for the card.
    """
    function = _varlen_function()
    if device.type != "cuda" or function is None:
        return False
    query = torch.zeros(16, 2, 64, device=device, dtype=torch.bfloat16, requires_grad=True)
    ends = torch.tensor([0, 7, 16], device=device, dtype=torch.int32)
    try:
        output = function(query, query, query, ends, ends, 16, 16, window_size=(-1, 0))
        torch.autograd.backward(output.sum())
    except (RuntimeError, NotImplementedError, TypeError):
        return False
    return True


def _varlen_function() -> Callable[..., Tensor] | None:
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    # The first release had `is_causal` instead; it is older than the range we support.
    known = "window_size" in inspect.signature(varlen_attn).parameters
    return cast(Callable[..., Tensor], varlen_attn) if known else None


def _varlen(
    tensors: tuple[Tensor, Tensor, Tensor],
    *,
    ends: Tensor,
    longest: int,
    scaling: float | None,
    window: tuple[int, int],
) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    # Kernels read [T, H, E]; the transposes are views.
    query, key, value = (tensor[0].transpose(0, 1) for tensor in _equal_heads(tensors))
    # Under autocast rotary embeddings leave queries and keys in fp32, which the kernel refuses.
    half = value.dtype if value.dtype == torch.float16 else torch.bfloat16
    query, key, value = query.to(half), key.to(half), value.to(half)
    output = varlen_attn(
        query, key, value, ends, ends, longest, longest, scale=scaling, window_size=window
    )
    return cast(Tensor, output)


def _equal_heads(tensors: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Repeat keys and values of grouped heads; it costs little beside the products."""
    query, key, value = tensors
    groups = query.shape[1] // key.shape[1]
    if groups == 1:
        return tensors
    return query, key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)


def _fused(
    query_BHTE: Tensor,
    key_BKTE: Tensor,
    value_BKTE: Tensor,
    *,
    scaling: float | None,
    dropout: float,
    window: int | None,
) -> Tensor:
    """One document through torch's fused attention; queries may be its last tokens only."""
    tokens, seen = query_BHTE.shape[2], key_BKTE.shape[2]
    mask = None
    if tokens < seen or (window is not None and tokens > window):
        mask = _causal_mask(seen, window or seen, query_BHTE.device)[seen - tokens :]
    return scaled_dot_product_attention(
        query_BHTE,
        key_BKTE,
        value_BKTE,
        attn_mask=mask,
        dropout_p=dropout,
        is_causal=mask is None,
        scale=scaling,
        enable_gqa=query_BHTE.shape[1] != key_BKTE.shape[1],
    )


def _plain(
    query_BHTE: Tensor,
    key_BKTE: Tensor,
    value_BKTE: Tensor,
    *,
    scaling: float | None,
    dropout: float,
    window: int | None,
    softcap: float | None,
    sink_H: Tensor | None,
) -> Tensor:
    """One document step by step, for what fused kernels cannot do: soft caps and sinks.

    Queries may be fewer than keys: then they are the document's last tokens.
    """
    tokens = query_BHTE.shape[2]
    groups = query_BHTE.shape[1] // key_BKTE.shape[1]
    key, value = (tensor.repeat_interleave(groups, dim=1) for tensor in (key_BKTE, value_BKTE))
    scale = query_BHTE.shape[-1] ** -0.5 if scaling is None else scaling
    scores = query_BHTE @ key.transpose(2, 3) * scale
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    seen = key.shape[2]
    mask = _causal_mask(seen, window or seen, scores.device)[seen - tokens :]
    scores = scores.float().masked_fill(~mask, float("-inf"))
    if sink_H is not None:
        sinks = sink_H.float().reshape(1, -1, 1, 1).expand(scores.shape[0], -1, tokens, 1)
        scores = torch.cat([scores, sinks], dim=-1)
    shares = torch.softmax(scores, dim=-1)[..., :seen].to(value.dtype)
    return nn.functional.dropout(shares, p=dropout, training=dropout > 0) @ value


def _causal_mask(tokens: int, window: int, device: torch.device) -> Tensor:
    place = torch.arange(tokens, device=device)
    distance = place[:, None] - place[None, :]
    return (distance >= 0) & (distance < window)
