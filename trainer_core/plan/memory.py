"""Predicted peak of one device: what the engine keeps, counted from the model's shape.

The engine's numerics: trained weights, gradients and both AdamW states in fp32, products in
bf16 under autocast on cards (which keeps bf16 copies of the weights for the backward pass),
frozen weights in the compute format, logits in chunks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainer_core.plan.types import MemorySplit, ModelShape, Strategy, Workload

LOSS_CHUNK_BYTES = 64 << 20
"""fp32 logits of one chunk of the loss; the engine's own figure."""

_COMPUTE_BYTES = {"fp32": 4, "bf16": 2}
_FOUR_BIT_BYTES = 0.5 + 4 / 64
"""One frozen weight in 4 bits with its share of its block's scale."""

_STATE_BYTES = 8
"""Two fp32 moments."""

# Bytes an autograd graph keeps for one token of one block: (per attention width, per
# feed-forward width). Counted with saved_tensors_hooks on transformers' GPT-2 and Llama blocks,
# with GELU in one kernel as the engine sets it, torch 2.13, weight copies taken off, November 2026.
_ACTIVATION_BYTES: dict[tuple[bool, str], tuple[float, float]] = {
    (False, "fp32"): (40, 8),
    (False, "bf16"): (24, 4),
    (True, "fp32"): (36, 16),
    (True, "bf16"): (32, 8),
}

_CARD_RUNTIME_BYTES = 300 << 20
"""Workspaces of the matrix libraries; the driver's own share is no part of what torch reserves."""

_ALLOCATOR_SLACK = 0.04
"""Share of blocks that lie unused between others."""

_CPU_RUNTIME_BYTES = 386 << 20
"""Interpreter with torch and transformers. Measured with `tiny` at 256 to 16,384 tokens at a time:
predictions are within 6 % of the peak resident size (torch 2.13, x86-64, November 2026)."""

_RECOMPUTED_BLOCKS = 2.5
"""Blocks' worth of memory while one is computed again: its activations, their gradients, and freed
pieces that do not fit the next. Measured with `tiny` at 16,384 tokens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How a workload is laid over devices, before anything is said of memory or time."""

    devices: int
    strategy: Strategy
    micro_batch_size: int
    gradient_accumulation_steps: int
    recomputation: Literal["none", "blocks"]


def lora_parameters(shape: ModelShape, rank: int) -> int:
    """Count the adapters' weights when every linear layer of the blocks has one."""
    query, key_value, width = shape.attention_width, shape.key_value_width, shape.width
    sides = [(width, shape.feed_forward_width)] * (3 if shape.gated else 2) + [(query, width)]
    if shape.gated:
        sides += [(width, query), (width, key_value), (width, key_value)]
    else:
        # GPT-2 has one layer for query, key and value.
        sides += [(width, query + 2 * key_value)]
    return shape.layers * rank * sum(left + right for left, right in sides)


def trained_parameters(workload: Workload) -> int:
    """Count the weights that get gradients."""
    if workload.method == "full":
        return workload.shape.parameters
    return lora_parameters(workload.shape, workload.lora_rank)


def predict_memory(workload: Workload, layout: Layout, *, on_cpu: bool) -> MemorySplit:
    """Predict the peak of one device, as `peak_memory_bytes` of the run will measure it.

    Args:
        workload: With its precision settled.
        layout: Strategy, micro-batch and recomputation.
        on_cpu: Whether the peak is a process's resident size instead of torch's reserve.
    """
    shape = workload.shape
    compute = _COMPUTE_BYTES[workload.precision]
    trained = trained_parameters(workload)
    shards = layout.devices if layout.strategy == "fsdp" else 1
    weights = (4.0 * trained + _frozen_bytes(workload, compute)) / shards
    if workload.precision == "bf16" and workload.method == "full" and shards == 1:
        # Autocast's copies live from forward to backward.
        weights += 2.0 * shape.matmul_parameters
    gradients = 4.0 * trained / shards
    optimizer = float(_STATE_BYTES) * trained / shards
    tokens = layout.micro_batch_size * workload.sequence_length
    activations = _activations(workload, layout, tokens)
    logits = _logits(workload, tokens, compute)
    communication = _communication(workload, layout, compute)
    used = weights + gradients + optimizer + activations + logits + communication
    runtime = _CPU_RUNTIME_BYTES if on_cpu else _CARD_RUNTIME_BYTES + _ALLOCATOR_SLACK * used
    return MemorySplit(
        weights=round(weights),
        gradients=round(gradients),
        optimizer=round(optimizer),
        activations=round(activations),
        logits=round(logits),
        communication=round(communication),
        runtime=round(runtime),
    )


def _frozen_bytes(workload: Workload, compute: int) -> float:
    """Return the bytes of weights that are not trained; with QLoRA blocks hold theirs in 4 bits."""
    shape = workload.shape
    if workload.method == "full":
        return 0.0
    if workload.method == "lora":
        return float(compute) * shape.parameters
    in_blocks = shape.matmul_parameters - shape.vocabulary * shape.width
    # Two layers' weights exist as numbers while their products run.
    passing = 2 * shape.width * shape.feed_forward_width
    return _FOUR_BIT_BYTES * in_blocks + compute * (shape.parameters - in_blocks + passing)


def _activations(workload: Workload, layout: Layout, tokens: int) -> float:
    shape = workload.shape
    per_width, per_feed_forward = _ACTIVATION_BYTES[(shape.gated, workload.precision)]
    # Keys and values of grouped heads are smaller; 2 of about 10 tensors of this width are theirs.
    narrow = 0.8 * shape.attention_width + 0.2 * shape.key_value_width
    block = per_width * max(narrow, 0.8 * shape.width) + per_feed_forward * shape.feed_forward_width
    kept = shape.layers * block
    if layout.recomputation == "blocks":
        # The residual stream between blocks is fp32 under autocast too.
        again = min(_RECOMPUTED_BLOCKS, shape.layers) * block
        kept = min(kept, again + shape.layers * shape.width * 4)
    # Gradients of one block's widest tensors exist while its backward pass runs.
    passing = 3 * shape.feed_forward_width * _COMPUTE_BYTES[workload.precision]
    return float(tokens) * (kept + passing + 8 * shape.width)


def _logits(workload: Workload, tokens: int, compute: int) -> float:
    shape = workload.shape
    rows = min(tokens, max(64, LOSS_CHUNK_BYTES // (4 * shape.vocabulary)))
    # In fp32 the scores take the logits' place; else they are made beside them and cast back.
    chunk = rows * shape.vocabulary * (4 if compute == 4 else 4 + 2 * compute)
    hidden = 2 * tokens * shape.width * compute
    head = shape.vocabulary * shape.width
    # The head's own gradient is summed in fp32 over chunks beside the stored one.
    return chunk + hidden + (4 * head if workload.method == "full" else 0)


def _communication(workload: Workload, layout: Layout, compute: int) -> float:
    shape = workload.shape
    trained = trained_parameters(workload)
    if layout.strategy == "single":
        return 0.0
    if layout.strategy == "ddp":
        # Gradients are views of the buckets; what travels is one bucket beside them.
        return float(min(4 * trained, 50 << 20))
    head = shape.vocabulary * shape.width * (1 if shape.tied else 2)
    block = (shape.parameters - head) / shape.layers
    # One block computes while the next is gathered; their gradients are reduced in fp32. The
    # embedding and head stay whole from forward to backward.
    gathered = 2 * block * compute + head * compute
    reduced = (block + head) * 4 if workload.method == "full" else 0
    return gathered + reduced
