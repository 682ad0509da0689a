"""Every layout the engine can execute for a workload on a number of devices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from trainer_core.plan.memory import Layout
from trainer_core.plan.types import Strategy, Workload

_MICRO_BATCHES_MAX = 128


def candidates(workload: Workload, devices: int) -> Iterator[Layout]:
    """Yield the layouts whose micro-batches add up to the global batch; none where none does."""
    each, left_over = divmod(workload.global_batch_size, devices)
    if left_over or not each:
        return
    for strategy in _strategies(workload, devices):
        for micro in _micro_batches(workload, each):
            for recomputation in _recomputations(workload):
                yield Layout(
                    devices=devices,
                    strategy=strategy,
                    micro_batch_size=micro,
                    gradient_accumulation_steps=each // micro,
                    recomputation=recomputation,
                )


def why_none(workload: Workload, devices: int) -> tuple[str, tuple[str, str]]:
    """Say why no layout adds up, and the field and text that mend it."""
    batch, micro = workload.global_batch_size, workload.micro_batch_size
    per_round = devices * (micro or 1)
    if batch % per_round == 0:
        why = f"parallel.strategy single uses one device, this size has {devices}"
        return why, ("parallel.strategy", "auto")
    below = batch // per_round * per_round
    nearest = f"{below} or {below + per_round}" if below else str(per_round)
    parts = f"{devices} device{'s' if devices > 1 else ''}"
    if micro:
        parts += f" in micro-batches of {micro}"
    why = f"a global batch of {batch} cannot be shared by {parts}; use {nearest}"
    return why, ("global_batch_size", str(below or per_round))


def _strategies(workload: Workload, devices: int) -> tuple[Strategy, ...]:
    if devices == 1:
        return ("single",)
    if workload.strategy == "auto":
        # The engine replicates adapters: they mix formats in one block, which FSDP does not take.
        return ("ddp", "fsdp") if workload.method == "full" else ("ddp",)
    return () if workload.strategy == "single" else (workload.strategy,)


def _micro_batches(workload: Workload, each: int) -> Iterator[int]:
    if workload.micro_batch_size is not None:
        if each % workload.micro_batch_size == 0:
            yield workload.micro_batch_size
        return
    for micro in range(1, min(each, _MICRO_BATCHES_MAX) + 1):
        if each % micro == 0:
            yield micro


def _recomputations(workload: Workload) -> tuple[Literal["none", "blocks"], ...]:
    return ("none", "blocks") if workload.recomputation == "auto" else (workload.recomputation,)
