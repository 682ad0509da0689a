"""A model's shape from its config.json: the numbers that cost memory and time, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from trainer_core.plan.types import ModelShape


@dataclass(frozen=True, kw_only=True, slots=True)
class _Family:
    """What sets one architecture's parameter count apart from Llama's."""

    gated: bool = True
    query_key_value_bias: bool = False
    output_bias: bool = False
    feed_forward_bias: bool = False
    norms_per_block: int = 2
    norm_bias: bool = False
    query_key_norm: bool = False
    learned_positions: bool = False
    tied_by_default: bool = False


_FAMILIES: dict[str, _Family] = {
    "gpt2": _Family(
        gated=False,
        query_key_value_bias=True,
        output_bias=True,
        feed_forward_bias=True,
        norm_bias=True,
        learned_positions=True,
        tied_by_default=True,
    ),
    "llama": _Family(),
    "mistral": _Family(),
    "qwen2": _Family(query_key_value_bias=True),
    "qwen3": _Family(query_key_norm=True),
    "gemma": _Family(tied_by_default=True),
    "gemma2": _Family(norms_per_block=4, tied_by_default=True),
    "gemma3_text": _Family(norms_per_block=4, query_key_norm=True, tied_by_default=True),
}

_UNKNOWN = _Family()
"""Most architectures since 2023 are Llama's with small changes."""


def shape_from_hf_config(config: Mapping[str, Any]) -> ModelShape | None:
    """Read the shape from a Hugging Face config.json.

    Args:
        config: The decoded file. Multi-modal models keep theirs under `text_config`.

    Returns:
        None when it does not name the sizes that matter. An unknown architecture is counted as
        Llama's, so its parameters may be some percent off.
    """
    inner = config.get("text_config")
    if isinstance(inner, Mapping):
        config = {**config, **inner}
    width = _whole(config, "hidden_size", "n_embd", "d_model")
    layers = _whole(config, "num_hidden_layers", "n_layer", "n_layers", "num_layers")
    heads = _whole(config, "num_attention_heads", "n_head", "num_heads")
    vocabulary = _whole(config, "vocab_size")
    if width is None or layers is None or heads is None or vocabulary is None:
        return None
    family = _FAMILIES.get(str(config.get("model_type")), _UNKNOWN)
    if config.get("attention_bias") is True:
        family = replace(family, query_key_value_bias=True, output_bias=True)
    tied = config.get("tie_word_embeddings")
    context = _whole(config, "max_position_embeddings", "n_positions", "n_ctx", "max_seq_len")
    counted = ModelShape(
        parameters=0,
        matmul_parameters=0,
        layers=layers,
        width=width,
        heads=heads,
        key_value_heads=_whole(config, "num_key_value_heads", "num_kv_heads") or heads,
        feed_forward_width=_whole(config, "intermediate_size", "n_inner", "ffn_dim") or 4 * width,
        vocabulary=vocabulary,
        context=context or 2048,
        gated=family.gated,
        tied=tied if isinstance(tied, bool) else family.tied_by_default,
        head_width=_whole(config, "head_dim") or width // heads,
    )
    return _with_counts(counted, family, positions=context or 0)


def _with_counts(shape: ModelShape, family: _Family, *, positions: int) -> ModelShape:
    """Return the shape with its weights counted."""
    width, query, key_value = shape.width, shape.attention_width, shape.key_value_width
    products = width * (query + 2 * key_value) + query * width
    products += (3 if shape.gated else 2) * width * shape.feed_forward_width
    head = shape.vocabulary * width
    total = shape.layers * (products + _norms_and_biases(shape, family))
    total += head * (1 if shape.tied else 2)
    total += positions * width if family.learned_positions else 0
    total += width * (2 if family.norm_bias else 1)
    return replace(shape, parameters=total, matmul_parameters=shape.layers * products + head)


def _norms_and_biases(shape: ModelShape, family: _Family) -> int:
    """Count the weights of one block that stand in no matrix product."""
    width = shape.width
    count = family.norms_per_block * width * (2 if family.norm_bias else 1)
    if family.query_key_value_bias:
        count += shape.attention_width + 2 * shape.key_value_width
    if family.output_bias:
        count += width
    if family.feed_forward_bias:
        count += shape.feed_forward_width + width
    if family.query_key_norm:
        count += 2 * (shape.head_width or 0)
    return count


def _whole(config: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**40:
            return value
    return None
