"""The plans of one size worth comparing: every split of its devices, with memory and time."""

from __future__ import annotations

from trainer_core.plan.candidates import all_degrees, micro_batches, recomputations
from trainer_core.plan.degrees import Degrees
from trainer_core.plan.fast_plan import fast_plan
from trainer_core.plan.measured import corrected
from trainer_core.plan.memory import predict_memory
from trainer_core.plan.speed import predict_step_seconds, timed_plan
from trainer_core.plan.types import Hardware, Layout, Plan, Workload

WORTH_A_LOOK = 0.6
"""Splits whose best case is below this share of the fastest plan are not worked out."""

IDLE_LITTLE = 4
"""Micro-batches a stage from which on stages seldom wait for each other."""


def plans_for(workload: Workload, hardware: Hardware, devices: int) -> tuple[Plan, ...]:
    """Work out the plans a number of devices has for a workload, fitting or not.

    Splits that could not come near the best plan so far are left out, and so are micro-batches
    beyond one that does not fit even when all is recomputed.
    """
    found: list[Plan] = []
    top = 0.0
    for degrees in all_degrees(workload, devices, hardware):
        if top and not hardware.described and degrees.splits_model and not _asked(workload):
            # Speeds of these are not measured yet: they are for what nothing simpler can do.
            continue
        sizes = list(micro_batches(workload, degrees))
        if not sizes or (top and _hopeless(workload, hardware, degrees, sizes, top)):
            continue
        for number, size in enumerate(sizes):
            plans = [
                plan_of(workload, hardware, _layout(degrees, size, again))
                for again in recomputations(workload)
            ]
            able = [plan for plan in plans if plan.memory.total <= hardware.memory_bytes]
            if not able and number:
                break
            found += plans
            top = max([top, *(plan.tokens_per_second or 0.0 for plan in able)])
    return tuple(found)


def _asked(workload: Workload) -> bool:
    return any((workload.tensor, workload.pipeline, workload.context))


def _hopeless(
    workload: Workload,
    hardware: Hardware,
    degrees: Degrees,
    sizes: list[tuple[int, int]],
    top: float,
) -> bool:
    """Whether a split does not fit at all, or takes much longer than the best plan so far."""
    layers = workload.shape.layers
    least = 0 if workload.recomputation == "none" else layers
    leanest = _layout(degrees, sizes[0], least)
    on_cpu = hardware.kind == "cpu"
    if predict_memory(workload, leanest, on_cpu=on_cpu).total > hardware.memory_bytes:
        return True
    tokens = workload.global_batch_size * workload.sequence_length
    # The largest micro-batch computes best; several a stage leave the fewest stages idle.
    busy = [size for size in sizes if size[1] >= IDLE_LITTLE * degrees.stages]
    for size in {sizes[-1], *busy[-1:]}:
        seconds = predict_step_seconds(workload, hardware, _layout(degrees, size, 0))
        if seconds is None or tokens / seconds > WORTH_A_LOOK * top:
            return False
    return True


def _layout(degrees: Degrees, size: tuple[int, int], recomputed_blocks: int) -> Layout:
    return Layout(
        degrees=degrees,
        micro_batch_size=size[0],
        gradient_accumulation_steps=size[1],
        recomputed_blocks=recomputed_blocks,
    )


def plan_of(workload: Workload, hardware: Hardware, layout: Layout) -> Plan:
    """Return a layout with its memory and time, corrected by what this machine has measured."""
    return corrected(_computed(workload, hardware, layout), workload, hardware.measured)


def _computed(workload: Workload, hardware: Hardware, layout: Layout) -> Plan:
    fast = fast_plan(workload, hardware, layout)
    if fast is not None:
        return fast
    return timed_plan(
        workload,
        layout,
        predict_step_seconds(workload, hardware, layout),
        predict_memory(workload, layout, on_cpu=hardware.kind == "cpu"),
        recomputed_blocks=layout.recomputed_blocks,
    )
