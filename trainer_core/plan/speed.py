"""Predicted time of a step: operations, memory traffic of the optimizer, and what must travel."""

from __future__ import annotations

from trainer_core.plan.memory import lora_parameters, trained_parameters
from trainer_core.plan.types import Hardware, Layout, ModelShape, Workload

RECOMPUTED_SHARE = 1 / 3
"""A second forward pass is a third of forward and backward."""

_CARD_EFFICIENCY = 0.55
_CARD_WIDTH = 1500
_CARD_TOKENS = 1500
# Share of a card's peak that plain torch reaches: 0.55 of it, less for narrow models and few
# tokens. Fitted to 111M (204,518 tokens/s) and 1.3B (27,560 autocast, 39,031 bf16) on one H100.

_CPU_EFFICIENCY = 0.67
"""Share of a core's matrix rate that a whole step reaches: 54 of 80.5 GFLOP/s at 111M, and 0.28 s
for a step of `tiny` (8 × 256 tokens) on two cores."""

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
    on_cpu = hardware.kind == "cpu"
    tokens = workload.global_batch_size * workload.sequence_length
    operations = tokens * flops_per_token(
        workload.shape,
        workload.method,
        attended_length(workload),
        lora_rank=workload.lora_rank,
    )
    if layout.recomputation == "blocks":
        operations *= 1 + RECOMPUTED_SHARE
    rate = layout.devices * hardware.matmul_flops * _efficiency(workload, layout, on_cpu)
    compute = operations / rate
    micro_batches = layout.gradient_accumulation_steps
    device = "cpu" if on_cpu else "card"
    launch = _LAUNCH_SECONDS[device] + (
        _GATHER_SECONDS[device] if layout.strategy == "fsdp" else 0.0
    )
    compute += micro_batches * workload.shape.layers * launch
    traffic = _traffic_seconds(workload, hardware, layout)
    exposed = max(0.1 * traffic, traffic - _OVERLAP * compute)
    return compute + exposed + _optimizer_seconds(workload, hardware, layout)


def _efficiency(workload: Workload, layout: Layout, on_cpu: bool) -> float:
    if on_cpu:
        return _CPU_EFFICIENCY
    width = workload.shape.width
    tokens = layout.micro_batch_size * workload.sequence_length
    return _CARD_EFFICIENCY * width / (width + _CARD_WIDTH) * tokens / (tokens + _CARD_TOKENS)


def _optimizer_seconds(workload: Workload, hardware: Hardware, layout: Layout) -> float:
    if hardware.memory_bandwidth is None:
        return 0.0
    shards = layout.devices if layout.strategy == "fsdp" else 1
    moved = _OPTIMIZER_BYTES * trained_parameters(workload) / shards
    # Ranks on one CPU share its memory.
    sharing = layout.devices if hardware.kind == "cpu" and shards == 1 else 1
    return moved * sharing / hardware.memory_bandwidth


def _traffic_seconds(workload: Workload, hardware: Hardware, layout: Layout) -> float:
    if layout.strategy == "single" or hardware.link_bandwidth is None:
        return 0.0
    share = (layout.devices - 1) / layout.devices
    trained = trained_parameters(workload)
    if layout.strategy == "ddp":
        moved = 2 * share * 4.0 * trained
    else:
        gathered = 2 * workload.shape.parameters * (2 if workload.precision == "bf16" else 4)
        moved = share * (gathered + 4.0 * trained) * layout.gradient_accumulation_steps
    per_node = hardware.devices_per_node
    across = per_node is not None and layout.devices > per_node
    bandwidth = hardware.link_bandwidth
    if across and hardware.node_link_bandwidth is not None:
        bandwidth = min(bandwidth, hardware.node_link_bandwidth)
    return moved / bandwidth
