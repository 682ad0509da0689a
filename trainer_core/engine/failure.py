"""Why a run cannot go on, as its user reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from trainer_core.engine.prediction import cheapest_fix, predicted_peak_bytes
from trainer_core.engine.setup import Parts
from trainer_core.plan.words import gib


class TrainingFailed(Exception):
    """The run cannot go on; `str()` says why, `fix` what to try.

    Attributes:
        fix: An imperative.
        change: Field and text that the fix names, as a flag takes them; empty where it names none.
    """

    def __init__(self, problem: str, fix: str, change: dict[str, str] | None = None) -> None:
        self.fix, self.change = fix, change or {}
        super().__init__(problem)


@contextmanager
def memory_named(parts: Parts, *, where: str) -> Iterator[None]:
    """Turn running out of memory into a sentence that names the cheapest way out.

    Args:
        parts: Of the run.
        where: What runs, for the sentence.

    Raises:
        TrainingFailed: Where torch says that there is not enough memory.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        run = (parts.settled, parts.loaded.shape, parts.numerics, parts.device)
        card = parts.device.type == "cuda"
        name = torch.cuda.get_device_name(parts.device) if card else "the host"
        raise TrainingFailed(
            f"{name} ran out of memory in {where}; the plan predicted "
            f"{gib(predicted_peak_bytes(*run))} on each device",
            *cheapest_fix(*run),
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that a card's or the host's memory is full."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # The processor's allocator has no type of its own.
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
