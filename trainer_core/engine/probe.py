"""One pass over the heaviest micro-batch before step 1: what does not fit fails here, not later."""

from __future__ import annotations

import gc
import time

import torch
from torch import Tensor

from trainer_core.engine.distributed import largest_over_ranks
from trainer_core.engine.memory import peak_memory_bytes
from trainer_core.engine.passes import Passes
from trainer_core.engine.prediction import predicted_peak_bytes
from trainer_core.engine.setup import Parts
from trainer_core.run.record.events import MemoryProbed


def probe_memory(parts: Parts, passes: Passes) -> MemoryProbed:
    """Run forward and backward on the longest micro-batch and measure the peak; every rank joins.

    Weights, optimizer and random states are afterwards what they were. What the optimizer has not
    made yet is counted too: on a card by holding as much memory, on a CPU by adding it.

    Returns:
        The largest peak of the ranks beside the planner's.

    Raises:
        RuntimeError: What torch raises where memory is full.
    """
    began = time.perf_counter()
    card = parts.device.type == "cuda"
    if card:
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(parts.device)
    to_come = states_to_come(parts.optimizer)
    held = [torch.empty_like(state) for state in to_come for _ in range(2)] if card else []
    with torch.random.fork_rng(devices=[parts.device] if card else []):
        passes.try_heaviest(parts.train_feed.feed.heaviest())
    parts.optimizer.zero_grad(set_to_none=True)
    peak = peak_memory_bytes(parts.device) or 0
    if not card and peak:
        peak += 2 * sum(state.numel() * state.element_size() for state in to_come)
    held.clear()
    (largest,) = largest_over_ranks((peak,))
    return MemoryProbed(
        probed_memory_bytes=largest or None,
        predicted_memory_bytes=predicted_peak_bytes(
            parts.settled, parts.loaded.shape, parts.numerics, parts.device
        ),
        seconds=time.perf_counter() - began,
    )


def states_to_come(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Return this rank's part of each weight whose two moments the first step will make."""
    parameters = [
        parameter
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.requires_grad and parameter not in optimizer.state
    ]
    return [getattr(p, "to_local", lambda p=p: p)().detach() for p in parameters]
