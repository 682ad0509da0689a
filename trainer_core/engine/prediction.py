"""The peak a run is expected to have, told beside the one that is measured."""

from __future__ import annotations

from dataclasses import replace

import torch

from trainer_core.engine.precision import Numerics
from trainer_core.engine.settled import Settled
from trainer_core.plan.choose import best_plan
from trainer_core.plan.measured import corrected
from trainer_core.plan.memory import predict_memory
from trainer_core.plan.mend import cheapest_mend
from trainer_core.plan.search import plans_for
from trainer_core.plan.types import Hardware, Layout, MemorySplit, ModelShape, Plan, Workload
from trainer_core.run.config.workload import workload_in
from trainer_core.run.forecast.measured import measured_here

SMALLER = 0.9
"""A plan that ran out of memory was predicted too low: the next must be below by a tenth."""


def predicted_peak_bytes(
    settled: Settled, shape: ModelShape, numerics: Numerics, device: torch.device
) -> int:
    """Return the memory the planner expects of the largest rank of this very run.

    The same figure the verdict before start compared with the card, for the plan, length and
    micro-batch that the run ended up with.

    Args:
        settled: With every number filled in.
        shape: Of the model as it was loaded.
        numerics: What the rank computes in.
        device: Where a rank computes: on a CPU the peak is a process's resident size.
    """
    memory = _memory(settled, shape, numerics, device)
    plan = Plan(
        degrees=settled.degrees,
        micro_batch_size=settled.micro_batch_size,
        gradient_accumulation_steps=settled.gradient_accumulation_steps,
        recomputed_blocks=shape.layers if settled.recomputation == "blocks" else 0,
        layers=shape.layers,
        precision=numerics.word,
        memory=memory,
        fast=settled.memory_bytes is not None,
    )
    known = measured_here(settled.config.precision)
    ratio = corrected(plan, _workload(settled, shape, numerics), known).memory_correction
    return round((settled.memory_bytes or memory.total) * ratio)


def cheapest_fix(
    settled: Settled, shape: ModelShape, numerics: Numerics, device: torch.device
) -> tuple[str, dict[str, str]]:
    """Return an imperative that names the cheapest single change that needs clearly less, and it.

    Args:
        settled: What ran out of memory.
        shape: Of its model.
        numerics: What it computed in.
        device: That ran out.
    """
    memory = _memory(settled, shape, numerics, device)
    limit = memory.runtime + round(SMALLER * (memory.total - memory.runtime))
    # Only a limit of memory is asked of it: the devices are those the run already has.
    hardware = Hardware(
        kind="nvidia" if device.type == "cuda" else "cpu",
        name=str(device),
        devices=settled.world_size,
        memory_bytes=limit,
        device_memory_gb=max(1, limit >> 30),
    )
    workload = _workload(settled, shape, numerics)
    mend = cheapest_mend(workload, hardware, settled.world_size, best_plan, plans_for)
    if mend is None:
        return "choose a smaller model or a device with more memory", {}
    fix = f"start again with --set {mend.field}={mend.text}: {mend.cost}"
    return fix, {mend.field: mend.text}


def _memory(
    settled: Settled, shape: ModelShape, numerics: Numerics, device: torch.device
) -> MemorySplit:
    layout = Layout(
        degrees=settled.degrees,
        micro_batch_size=settled.micro_batch_size,
        gradient_accumulation_steps=settled.gradient_accumulation_steps,
        recomputed_blocks=shape.layers if settled.recomputation == "blocks" else 0,
    )
    workload = _workload(settled, shape, numerics)
    return predict_memory(workload, layout, on_cpu=device.type != "cuda")


def _workload(settled: Settled, shape: ModelShape, numerics: Numerics) -> Workload:
    workload = workload_in(settled.config, shape, numerics.word)
    return replace(
        workload,
        micro_batch_size=settled.micro_batch_size,
        strategy=settled.strategy,
        recomputation=settled.recomputation,
    )
