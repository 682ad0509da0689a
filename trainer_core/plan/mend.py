"""The cheapest single change that makes a workload fit, tried in the order of what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from trainer_core.accelerators.base import SIZE_NAMES
from trainer_core.plan.types import Hardware, Plan, Workload
from trainer_core.plan.words import gib

SHORTEST_LENGTH = 128
"""Shorter rows hold hardly a document."""

Plans = Callable[[Workload, Hardware, int], tuple[Plan, ...]]
Best = Callable[[tuple[Plan, ...], int], Plan | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Mend:
    """One change and what it would need then."""

    field: str
    """As `override` takes it."""
    text: str
    sentence: str
    cost: str
    """What it takes: memory on each device, and speed where it is known."""


def cheapest_mend(
    workload: Workload, hardware: Hardware, devices: int, best_plan: Best, plans_for: Plans
) -> Mend | None:
    """Find the first single change under which the workload fits these devices.

    Args:
        workload: One that does not fit.
        hardware: The machine.
        devices: Of the size that was judged.
        best_plan: `choose.best_plan`.
        plans_for: `choose.plans_for`.

    Returns:
        None where no single change is enough.
    """
    for field, text, changed, size in _changes(workload, hardware, devices):
        best = best_plan(plans_for(changed, hardware, size), hardware.memory_bytes)
        if best is None or best.memory.total > hardware.memory_bytes:
            continue
        speed = f", {best.tokens_per_second:,.0f} tokens/s" if best.tokens_per_second else ""
        sentence = f"fits with {field}: {text} ({gib(best.memory.total)}{speed})"
        cost = f"{gib(best.memory.total)} on each device{speed}"
        return Mend(field=field, text=text, sentence=sentence, cost=cost)
    return None


def _changes(
    workload: Workload, hardware: Hardware, devices: int
) -> Iterator[tuple[str, str, Workload, int]]:
    """Yield (field, its new text, the workload then, devices), what costs least first."""
    micro = workload.micro_batch_size
    while micro is not None and micro > 1:
        micro = next(part for part in range(micro - 1, 0, -1) if micro % part == 0)
        yield "micro_batch_size", str(micro), replace(workload, micro_batch_size=micro), devices
    if workload.recomputation == "none":
        changed = replace(workload, recomputation="auto")
        yield "parallel.recomputation", "auto", changed, devices
    if workload.strategy not in ("auto", "single") or (
        workload.strategy == "single" and devices > 1
    ):
        yield "parallel.strategy", "auto", replace(workload, strategy="auto"), devices
    if workload.numerics == "plain":
        yield "numerics", "auto", replace(workload, numerics="auto"), devices
    most = min(hardware.devices, hardware.largest_allowed or hardware.devices)
    for larger, name in SIZE_NAMES.items():
        if devices < larger <= most:
            yield "size", name, workload, larger
    if workload.method == "full":
        yield "method", "lora", replace(workload, method="lora"), devices
    length = workload.sequence_length // 2
    while length >= SHORTEST_LENGTH:
        yield "sequence_length", str(length), replace(workload, sequence_length=length), devices
        length //= 2
