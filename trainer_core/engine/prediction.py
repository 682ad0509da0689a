"""The peak a run is expected to have, told beside the one that is measured."""

from __future__ import annotations

import torch

from trainer_core.engine.precision import Numerics
from trainer_core.engine.settled import Settled
from trainer_core.plan.memory import Layout, predict_memory
from trainer_core.plan.types import ModelShape
from trainer_core.plan.workload import workload_in


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
    layout = Layout(
        devices=settled.world_size,
        strategy=settled.strategy,
        micro_batch_size=settled.micro_batch_size,
        gradient_accumulation_steps=settled.gradient_accumulation_steps,
        recomputation=settled.recomputation,
    )
    workload = workload_in(settled.config, shape, numerics.word)
    return predict_memory(workload, layout, on_cpu=device.type != "cuda").total
