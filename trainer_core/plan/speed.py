"""Predicted time of a step: operations, memory traffic of the optimizer, and what must travel."""

from __future__ import annotations

import math

from trainer_core.plan.links import Groups, groups_of
from trainer_core.plan.memory import lora_parameters, trained_parameters, weights_of
from trainer_core.plan.types import Hardware, Layout, MemorySplit, ModelShape, Plan, Workload

RECOMPUTED_SHARE = 1 / 3
"""A second forward pass is a third of forward and backward."""

_CARD_EFFICIENCY = 0.55
_CARD_WIDTH = 1500
_CARD_TOKENS = 1500
_FITTED_FLOPS = 989e12
# Share of a card's peak that plain torch reaches: 0.55 of it, less for narrow models and few
# tokens; a slower card is filled by fewer tokens.
# Fitted to 111M (204,518 tokens/s) and 1.3B (27,560 autocast, 39,031 bf16) on one H100.

_CPU_EFFICIENCY = 0.86
"""Share of a core's matrix rate that a whole step reaches: fitted to GPT-2s of 4 x 192, 4 x 256 and
8 x 512 at 256 to 1,024 tokens, within 15 % of each in CPU time of one thread (Zen 3, November
2026)."""

_LAUNCH_SECONDS = {"cpu": 1.5e-3, "card": 0.35e-3}
"""Python and kernel launches of one block, forward and backward, for each micro-batch."""

_GATHER_SECONDS = {"cpu": 3e-3, "card": 0.3e-3}
"""Gathering and reducing one sharded block: hooks and launches, whatever its size."""

_OPTIMIZER_BYTES = 32
"""Bytes a trained weight moves in one step: clipping reads the gradient, AdamW reads weight,
gradient and two moments and writes three of them, all fp32."""

_OVERLAP = 0.6
"""Share of the compute time that can hide traffic."""


def flops_per_token(
    shape: ModelShape,
    method: str,
    attended_length: float,
    *,
    lora_rank: int = 16,
) -> float:
    """Return the operations one trained token costs, forward and backward, nothing recomputed.

    Args:
        shape: The model.
        method: `full`, `lora` or `qlora`; frozen weights cost 4 operations instead of 6.
        attended_length: Sum of squared document lengths over the sum of lengths.
        lora_rank: Rank of the adapters, for the other two methods.
    """
    attention = 12.0 * shape.layers * shape.attention_width * attended_length
    if method == "full":
        return 6.0 * shape.matmul_parameters + attention
    adapters = lora_parameters(shape, lora_rank)
    return 4.0 * shape.matmul_parameters + 6.0 * adapters + attention


def attended_length(workload: Workload) -> float:
    """Return the mean attended length: what is known of the documents, at most the row."""
    if workload.mean_document_length is None:
        return float(workload.sequence_length)
    # Long documents weigh more: half again the mean for the spread real data has.
    return min(1.5 * workload.mean_document_length, float(workload.sequence_length))


def predict_step_seconds(workload: Workload, hardware: Hardware, layout: Layout) -> float | None:
    """Predict the wall time of one optimizer step; None where the device's rate is not known."""
    if hardware.matmul_flops is None:
        return None
    degrees, passes = layout.degrees, layout.gradient_accumulation_steps
    groups = groups_of(hardware, degrees)
    compute = _pass_seconds(workload, hardware, layout)
    waits = _waits_of_a_pass(workload, layout, groups)
    hidden = _fsdp_seconds(workload, layout, groups)
    # With stages the last micro-batch leaves when it has passed them all.
    rounds = passes + degrees.stages - 1
    exposed = max(0.1 * hidden, hidden - _OVERLAP * compute)
    training = rounds * (compute + waits) + passes * exposed
    once = _once_seconds(workload, layout, groups)
    last = compute * (1 if degrees.stages == 1 else 0)
    training += max(0.1 * once, once - _OVERLAP * last)
    return training + _optimizer_seconds(workload, hardware, layout)


def timed_plan(
    workload: Workload,
    layout: Layout,
    step_seconds: float | None,
    memory: MemorySplit,
    *,
    recomputed_blocks: int,
    fast: bool = False,
) -> Plan:
    """Return a layout as a plan with its memory and its time.

    Args:
        workload: What is trained.
        layout: How the devices share it.
        step_seconds: Of one optimizer step; None where it is not known.
        memory: Of the fullest device.
        recomputed_blocks: As settled, which the fast path does by itself.
        fast: Whether it is the fast path's.
    """
    tokens = workload.global_batch_size * workload.sequence_length
    seconds = None
    if step_seconds is not None and workload.steps is not None:
        seconds = step_seconds * workload.steps
    return Plan(
        degrees=layout.degrees,
        micro_batch_size=layout.micro_batch_size,
        gradient_accumulation_steps=layout.gradient_accumulation_steps,
        recomputed_blocks=recomputed_blocks,
        layers=workload.shape.layers,
        precision=workload.precision,
        memory=memory,
        tokens_per_second=tokens / step_seconds if step_seconds else None,
        seconds=seconds,
        fast=fast,
    )


def _pass_seconds(workload: Workload, hardware: Hardware, layout: Layout) -> float:
    """Return the time one stage computes on one micro-batch, forward and backward."""
    shape, degrees = workload.shape, layout.degrees
    tokens = layout.micro_batch_size * workload.sequence_length
    operations = tokens * flops_per_token(
        shape, workload.method, attended_length(workload), lora_rank=workload.lora_rank
    )
    operations *= 1 + RECOMPUTED_SHARE * min(1.0, layout.recomputed_blocks / shape.layers)
    head = 6.0 * shape.vocabulary * shape.width * tokens
    blocks = math.ceil(shape.layers / degrees.stages)
    # Ranks that share products make the whole head each, and the last stage, which has it alone,
    # is the one all wait for.
    operations = (operations - head) * blocks / shape.layers / degrees.tensor + head
    rate = (hardware.matmul_flops or 1.0) * _efficiency(workload, hardware, layout)
    device = "cpu" if hardware.kind == "cpu" else "card"
    launch = _LAUNCH_SECONDS[device]
    if degrees.strategy == "fsdp":
        launch += _GATHER_SECONDS[device]
    return operations / degrees.context / rate + blocks * launch


def _efficiency(workload: Workload, hardware: Hardware, layout: Layout) -> float:
    if hardware.kind == "cpu":
        return _CPU_EFFICIENCY
    # A slice of a product is narrower in one of its two directions.
    width = workload.shape.width / math.sqrt(layout.degrees.tensor)
    tokens = layout.micro_batch_size * workload.sequence_length / layout.degrees.context
    few = _CARD_TOKENS * min(1.0, (hardware.matmul_flops or _FITTED_FLOPS) / _FITTED_FLOPS)
    return _CARD_EFFICIENCY * width / (width + _CARD_WIDTH) * tokens / (tokens + few)


def _optimizer_seconds(workload: Workload, hardware: Hardware, layout: Layout) -> float:
    if hardware.memory_bandwidth is None:
        return 0.0
    degrees = layout.degrees
    copies = degrees.shards * (degrees.context if degrees.shards > 1 else 1)
    cut = copies * degrees.tensor * degrees.stages
    moved = _OPTIMIZER_BYTES * trained_parameters(workload) / cut
    # Ranks on one CPU share its memory.
    sharing = layout.devices / cut if hardware.kind == "cpu" else 1
    return moved * sharing / hardware.memory_bandwidth


def _waits_of_a_pass(workload: Workload, layout: Layout, groups: Groups) -> float:
    """Return what a micro-batch waits for on its way through one stage, hidden by nothing."""
    shape, degrees = workload.shape, layout.degrees
    compute = 2 if workload.precision == "bf16" else 4
    tokens = layout.micro_batch_size * workload.sequence_length / degrees.context
    blocks = shape.layers / degrees.stages
    again = min(1.0, layout.recomputed_blocks / shape.layers)
    seconds = 0.0
    if degrees.tensor > 1:
        sums = (4 + 2 * again) * blocks
        seconds += sums * groups.tensor.sum_seconds(tokens * shape.width * compute)
    if degrees.context > 1:
        whole = 2 * tokens * degrees.context * shape.key_value_width * compute
        seconds += (3 + again) * blocks * groups.context.gather_seconds(whole)
    if degrees.stages > 1:
        seconds += 2 * groups.stages.send_seconds(tokens * shape.width * compute)
    return seconds


def _fsdp_seconds(workload: Workload, layout: Layout, groups: Groups) -> float:
    """Return the traffic of one micro-batch that goes on beside computing: gathers and sums."""
    degrees = layout.degrees
    if degrees.strategy != "fsdp":
        return 0.0
    compute = 2 if workload.precision == "bf16" else 4
    held = _held(workload.shape, layout)
    seconds = 2 * groups.shards.gather_seconds(held * compute)
    seconds += groups.shards.gather_seconds(4.0 * held)
    if degrees.replicas > 1:
        cut = degrees.shards * degrees.context
        seconds += groups.replicas.sum_seconds(4.0 * held / cut)
    return seconds


def _once_seconds(workload: Workload, layout: Layout, groups: Groups) -> float:
    """Return the traffic of one step: sums of gradients over whole copies."""
    degrees = layout.degrees
    if degrees.strategy == "fsdp" or degrees.replicas * degrees.context == 1:
        return 0.0
    share = _held(workload.shape, layout) / workload.shape.parameters
    return groups.copies.sum_seconds(4.0 * trained_parameters(workload) * share)


def _held(shape: ModelShape, layout: Layout) -> float:
    """Return the weights of one copy's rank, of the stage that holds most."""
    stages = layout.degrees.stages
    block, embedding, head = weights_of(shape, layout.degrees)
    tables = embedding + head if stages == 1 else max(embedding, head)
    return math.ceil(shape.layers / stages) * block + tables
