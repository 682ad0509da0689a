"""The planner's view of the fast path: the plan the engine will take on one card."""

from __future__ import annotations

import re

from trainer_core.plan.fast_path import (
    FIXED_BYTES,
    STATE_BYTES,
    FastPath,
    Wanted,
    choose_fast_path,
)
from trainer_core.plan.speed import RECOMPUTED_SHARE, attended_length, flops_per_token, timed_plan
from trainer_core.plan.types import Hardware, Layout, MemorySplit, Plan, Workload

_WITH_FP8 = re.compile(r"\b(H100|H200|H800|H20|GH200|B200|GB200|L4|L40S?)\b|RTX (40|50)\d\d")
"""Cards whose matrix units take fp8 through torch; the engine tries it before it relies on it."""

_LAUNCH_SECONDS = 0.35e-3
"""Launches of one block, forward and backward, for each pass."""


def fast_plan(workload: Workload, hardware: Hardware, layout: Layout) -> Plan | None:
    """Return the plan of a layout on the fast path; None where the engine goes the plain way.

    Its choice of recomputation is its own: a layout without it may get some blocks of it.
    """
    if not _is_fast(workload, hardware, layout):
        return None
    again = workload.recomputation == "blocks" or layout.recomputation == "blocks"
    free = workload.recomputation == "auto" and not again
    path = choose_fast_path(
        workload.shape,
        memory_bytes=hardware.memory_bytes,
        sequence_length=workload.sequence_length,
        rows=workload.global_batch_size,
        fp8_works=hardware.kind == "nvidia" and _WITH_FP8.search(hardware.name) is not None,
        wanted=Wanted(
            micro_batch_size=layout.micro_batch_size,
            recomputation=None if free else "blocks" if again else "none",
            from_scratch=workload.from_scratch,
        ),
    )
    return timed_plan(
        workload,
        layout,
        _step_seconds(path, workload, hardware, layout),
        memory_split(path, workload),
        recomputed_blocks=path.recomputed_blocks,
        fast=True,
    )


def memory_split(path: FastPath, workload: Workload) -> MemorySplit:
    """Return a path's predicted peak by what fills it; gradients only where all are held."""
    parameters = workload.shape.parameters
    weights, states = 2 * parameters, round(STATE_BYTES[path.states] * parameters)
    several = path.micro_batch_size < workload.global_batch_size
    gradients = 2 * parameters if several else 0
    rest = path.memory_bytes - weights - states - gradients - FIXED_BYTES
    return MemorySplit(
        weights=weights,
        gradients=gradients,
        optimizer=states,
        activations=max(0, rest),
        logits=0,
        communication=0,
        runtime=FIXED_BYTES,
    )


def _is_fast(workload: Workload, hardware: Hardware, layout: Layout) -> bool:
    return (
        workload.numerics == "auto"
        and workload.method == "full"
        and workload.precision == "bf16"
        and layout.devices == 1
        and hardware.kind in ("nvidia", "amd")
    )


def _step_seconds(
    path: FastPath, workload: Workload, hardware: Hardware, layout: Layout
) -> float | None:
    """Predict a step; within a tenth of 111M, 1.3B, 6.7B and 13B on one H100, November 2026."""
    if hardware.matmul_flops is None:
        return None
    shape, micro = workload.shape, layout.micro_batch_size * workload.sequence_length
    tokens = workload.global_batch_size * workload.sequence_length
    per_token = flops_per_token(shape, "full", attended_length(workload))
    again = 1 + RECOMPUTED_SHARE * path.recomputed_blocks / shape.layers
    width = shape.width
    share = 0.95 * width / (width + 850) if path.fp8 else 0.6 * width / (width + 400)
    share *= micro / (micro + 400)
    passes = layout.gradient_accumulation_steps
    return (
        tokens * per_token * again / (hardware.matmul_flops * share)
        + passes * shape.layers * _LAUNCH_SECONDS
    )
