"""What runs on this machine have measured, and how it corrects the next prediction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from trainer_core.plan.types import Measurement, MemorySplit, Plan, Setup, Workload

MEMORY_BOUNDS = (0.8, 1.25)
"""The peak of a model that no run has measured is corrected at most this far by other models'."""

SPEED_BOUNDS = (0.1, 10.0)
"""The same for speed: a processor's rate is known to an order of magnitude before any run."""


def setup_of(workload: Workload, plan: Plan) -> Setup:
    """Return the setup of a plan."""
    return Setup(
        shape=workload.shape,
        method=workload.method,
        lora_rank=workload.lora_rank if workload.method != "full" else 0,
        precision=plan.precision,
        numerics=workload.numerics,
        sequence_length=workload.sequence_length,
        degrees=plan.degrees,
        micro_batch_size=plan.micro_batch_size,
        gradient_accumulation_steps=plan.gradient_accumulation_steps,
        # On the fast path the engine settles them itself, by the memory it finds.
        recomputed_blocks=0 if plan.fast else plan.recomputed_blocks,
        from_scratch=plan.fast and workload.from_scratch,
    )


def corrected(plan: Plan, workload: Workload, measured: Sequence[Measurement]) -> Plan:
    """Return a computed plan with what was measured on this machine in it.

    Speed is scaled by one factor for all plans of a workload, so that a disturbed run never makes
    a plan that nobody measured look better than it. Memory is scaled by what this very plan was
    off, else by what plans alike were, those of the same model before others.
    """
    setup = setup_of(workload, plan)
    of_model = [entry for entry in measured if entry.setup.shape == setup.shape]
    comparable = [entry for entry in measured if setup.resembles(entry.setup)]
    if not comparable:
        return plan
    rates = [entry for entry in comparable if entry in of_model] or comparable
    faster = _bounded(_mean(map(_speed_ratio, rates)), SPEED_BOUNDS) or 1.0
    alike = [entry for entry in comparable if entry.setup.degrees.kind == setup.degrees.kind]
    own = [entry for entry in alike if entry in of_model]
    same = [entry for entry in own if entry.setup == setup][-1:]
    memory = _mean(map(_memory_ratio, same or own or alike))
    if not own:
        memory = _bounded(memory, MEMORY_BOUNDS)
    return replace(
        plan,
        memory=scaled_memory(plan.memory, memory) if memory else plan.memory,
        memory_correction=memory or 1.0,
        tokens_per_second=plan.tokens_per_second * faster if plan.tokens_per_second else None,
        seconds=plan.seconds / faster if plan.seconds else None,
        measured=bool(same),
    )


def _memory_ratio(entry: Measurement) -> float | None:
    computed = entry.computed_memory_bytes
    return entry.peak_memory_bytes / computed if entry.peak_memory_bytes and computed else None


def _speed_ratio(entry: Measurement) -> float | None:
    computed = entry.computed_tokens_per_second
    return entry.tokens_per_second / computed if entry.tokens_per_second and computed else None


def _mean(ratios: Iterable[float | None]) -> float | None:
    """Return the geometric mean of what is known."""
    known = [math.log(ratio) for ratio in ratios if ratio]
    return math.exp(sum(known) / len(known)) if known else None


def _bounded(ratio: float | None, bounds: tuple[float, float]) -> float | None:
    return None if ratio is None else min(max(ratio, bounds[0]), bounds[1])


def scaled_memory(memory: MemorySplit, ratio: float) -> MemorySplit:
    """Return a split whose sum is larger or smaller by a ratio; what is counted exactly stays.

    Weights, gradients and states are; the difference lies in the parts that are estimated.
    """
    exact = memory.weights + memory.gradients + memory.optimizer
    estimated = memory.total - exact
    wanted = memory.total * ratio - exact
    share = wanted / estimated if estimated and wanted > 0 else ratio
    return replace(
        memory,
        activations=round(memory.activations * share),
        logits=round(memory.logits * share),
        communication=round(memory.communication * share),
        runtime=round(memory.runtime * share),
    )
