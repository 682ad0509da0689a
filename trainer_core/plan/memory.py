"""Predicted peak of one device: what the engine keeps, counted from the model's shape.

The engine's numerics: trained weights, gradients and both AdamW states in fp32, products in
bf16 under autocast on cards (which keeps bf16 copies of the weights for the backward pass),
frozen weights in the compute format, logits in chunks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from trainer_core.plan.degrees import Degrees
from trainer_core.plan.types import Layout, MemorySplit, ModelShape, Workload

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

_CPU_RUNTIME_BYTES = 366 << 20
"""Interpreter with torch and transformers. With the next figure predictions of GPT-2s of 4 x 192,
4 x 256 and 8 x 512 at 256 to 1,024 tokens are within 2 % of the peak resident size (torch 2.13,
x86-64, November 2026)."""

_SAVED_BYTES = 8
"""Of a trained weight while a checkpoint is written: a copy of it and of both moments, 12 bytes
shared out over the ranks, less the gradients' 4, which are free then."""

_RECOMPUTED_BLOCKS = 2.5
"""Blocks' worth of memory while one is computed again: its activations, their gradients, and freed
pieces that do not fit the next. Measured with `tiny` at 16,384 tokens."""


_SLICED_SHARE = 0.4
"""Of the activations that go with the width: queries, keys, values and what attention returns.
Ranks that share every product keep a slice of these each; norms and residuals they all keep."""


_CPU_SHARDING_BYTES = 18 << 20
_GATHERED_TO_SAVE = 16
# Sharded ranks import FSDP, hold the whole tensors of their share while they write them, and leave
# gathered weights in the heap: 525 MiB of `4x192` and 1,405 of `8x512` on two ranks.


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stage:
    """What the first or the last ranks of a pipeline hold; without stages one is both."""

    blocks: int
    in_flight: int
    """Micro-batches whose activations are kept at once."""
    embeds: bool
    heads: bool


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
    """Predict the peak of the fullest device, as `peak_memory_bytes` of the run will measure it.

    Args:
        workload: With its precision settled.
        layout: Degrees, micro-batch and recomputation.
        on_cpu: Whether the peak is a process's resident size instead of torch's reserve.
    """
    stages = _stages(workload.shape, layout)
    splits = [_of_stage(workload, layout, stage, on_cpu=on_cpu) for stage in stages]
    return max(splits, key=lambda split: split.total)


def _stages(shape: ModelShape, layout: Layout) -> tuple[_Stage, ...]:
    stages = layout.degrees.stages
    if stages == 1:
        return (_Stage(blocks=shape.layers, in_flight=1, embeds=True, heads=True),)
    most, least = math.ceil(shape.layers / stages), shape.layers // stages
    flying = min(stages, layout.gradient_accumulation_steps)
    # The engine's cut leaves the last stage never shorter than the first.
    first = _Stage(blocks=least, in_flight=flying, embeds=True, heads=False)
    last = _Stage(blocks=most, in_flight=1, embeds=False, heads=True)
    if stages == 2 or most == least:
        return (first, last)
    second = _Stage(blocks=most, in_flight=max(1, flying - 1), embeds=False, heads=False)
    return (first, second, last)


def weights_of(shape: ModelShape, degrees: Degrees) -> tuple[float, float, float]:
    """Return the weights that one rank of a copy would hold if its copy were not sharded.

    Returns:
        Of one block, of the embedding, and of the head (0 where it is the embedding's own and both
        are on one rank).
    """
    table = shape.vocabulary * shape.width
    block = _block_parameters(shape) / degrees.tensor
    # Ranks that share products keep the tables whole.
    return block, table, 0.0 if shape.tied and degrees.stages == 1 else table


def _block_parameters(shape: ModelShape) -> float:
    tables = shape.vocabulary * shape.width * (1 if shape.tied else 2)
    return (shape.parameters - tables) / shape.layers


def _of_stage(workload: Workload, layout: Layout, stage: _Stage, *, on_cpu: bool) -> MemorySplit:
    shape, degrees = workload.shape, layout.degrees
    compute = _COMPUTE_BYTES[workload.precision]
    block, embedding, head = weights_of(shape, degrees)
    held = stage.blocks * block + stage.embeds * embedding + stage.heads * head
    share = held / shape.parameters
    trained = trained_parameters(workload) * share
    # Ranks that share rows share shards too, where there are any.
    shards = degrees.shards * (degrees.context if degrees.shards > 1 else 1)
    weights = (4.0 * trained + _frozen_bytes(workload, compute) * share) / shards
    if workload.precision == "bf16" and workload.method == "full" and shards == 1:
        # Autocast's copies live from forward to backward.
        weights += 2.0 * shape.matmul_parameters * share
    tokens = layout.micro_batch_size * workload.sequence_length / degrees.context
    activations = _activations(workload, layout, stage, tokens)
    logits = _logits(workload, tokens, compute) if stage.heads else 0.0
    communication = _communication(workload, layout, stage, tokens, compute)
    parts = (weights, 4.0 * trained / shards, float(_STATE_BYTES) * trained / shards)
    used = sum(parts) + activations + logits + communication
    runtime = _CARD_RUNTIME_BYTES + _ALLOCATOR_SLACK * used
    if on_cpu:
        runtime = _CPU_RUNTIME_BYTES + _SAVED_BYTES * trained_parameters(workload) / layout.devices
        if shards > 1:
            runtime += _CPU_SHARDING_BYTES + _GATHERED_TO_SAVE * trained / layout.devices
            runtime += compute * trained
    return MemorySplit(
        weights=round(parts[0]),
        gradients=round(parts[1]),
        optimizer=round(parts[2]),
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


def _activations(workload: Workload, layout: Layout, stage: _Stage, tokens: float) -> float:
    shape, tensor = workload.shape, layout.degrees.tensor
    per_width, per_feed_forward = _ACTIVATION_BYTES[(shape.gated, workload.precision)]
    # Keys and values of grouped heads are smaller; 2 of about 10 tensors of this width are theirs.
    narrow = 0.8 * shape.attention_width + 0.2 * shape.key_value_width
    sliced = 1 - _SLICED_SHARE + _SLICED_SHARE / tensor
    block = per_width * max(narrow, 0.8 * shape.width) * sliced
    block += per_feed_forward * shape.feed_forward_width / tensor
    if workload.method != "full" and workload.precision == "fp32":
        # What a layer gives and what its adapter adds to it are two tensors; compiled they are one.
        gates = 2 if shape.gated else 1
        block += 4 * (5 * shape.attention_width + gates * shape.feed_forward_width)
    again = min(stage.blocks, math.ceil(layout.recomputed_blocks * stage.blocks / shape.layers))
    kept = stage.blocks * block
    if again:
        # The residual stream between blocks is fp32 under autocast too.
        passing_by = min(_RECOMPUTED_BLOCKS, again) * block
        kept = min(kept, passing_by + (stage.blocks - again) * block + again * shape.width * 4)
    kept *= stage.in_flight
    # Gradients of one block's widest tensors exist while its backward pass runs.
    passing = 3 * shape.feed_forward_width / tensor * _COMPUTE_BYTES[workload.precision]
    return tokens * (kept + passing + 8 * shape.width)


def _logits(workload: Workload, tokens: float, compute: int) -> float:
    shape = workload.shape
    rows = min(tokens, max(64, LOSS_CHUNK_BYTES // (4 * shape.vocabulary)))
    # In fp32 the scores take the logits' place; else they are made beside them and cast back.
    chunk = rows * shape.vocabulary * (4 if compute == 4 else 4 + 2 * compute)
    hidden = 2 * tokens * shape.width * compute
    head = shape.vocabulary * shape.width
    # The head's own gradient is summed in fp32 over chunks beside the stored one.
    return chunk + hidden + (4 * head if workload.method == "full" else 0)


def _communication(
    workload: Workload, layout: Layout, stage: _Stage, tokens: float, compute: int
) -> float:
    shape, degrees = workload.shape, layout.degrees
    buffers = 0.0
    if degrees.tensor > 1:
        # A sum over ranks travels beside the one that is being made.
        buffers += 2 * tokens * shape.width * compute
    if degrees.context > 1:
        # Keys and values of the whole row in one block, and their gradients.
        buffers += 4 * tokens * degrees.context * shape.key_value_width * compute
    if degrees.stages > 1:
        buffers += 2 * stage.in_flight * tokens * shape.width * compute
    block, embedding, head = weights_of(shape, degrees)
    table = stage.embeds * embedding + stage.heads * head
    if degrees.strategy == "ddp":
        # Gradients are views of the buckets; what travels is one bucket beside them.
        share = (stage.blocks * block + table) / shape.parameters
        buffers += min(4 * trained_parameters(workload) * share, 50 << 20)
    if degrees.strategy == "fsdp":
        # One block computes while the next is gathered; their gradients are reduced in fp32. The
        # embedding and head stay whole from forward to backward.
        buffers += 2 * block * compute + table * compute
        buffers += (block + table) * 4 if workload.method == "full" else 0
    return buffers
