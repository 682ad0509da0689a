"""Going on when memory runs out in the middle of a run: smaller micro-batches, the same numbers.

On one device the step is simply taken again. Where ranks wait for each other inside a step, or
weights are stepped inside the backward pass, a step that broke off cannot be taken again: a note of
the next smaller plan is left in the run's folder, the attempt ends, and the next one reads it and
goes on from the last checkpoint.
"""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import msgspec
import torch

from trainer_core.durable import write_whole
from trainer_core.engine.failure import TrainingFailed, is_out_of_memory
from trainer_core.engine.setup import Parts
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.record.events import Notice

NOTE = "smaller-plan.json"


class SmallerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What later attempts of a run do otherwise than its configuration says."""

    micro_batch_size: int | None = None
    recomputation: str | None = None
    in_backward: str | None = None
    said: str = ""
    """Why, for whoever reads the run."""


def with_smaller_plan(config: RunConfig, run_folder: Path) -> tuple[RunConfig, str]:
    """Return the configuration as an earlier attempt left it, and what is to be said of that."""
    note = run_folder / NOTE
    if not note.exists():
        return config, ""
    plan = msgspec.json.decode(note.read_bytes(), type=SmallerPlan)
    return _changed(config, plan), plan.said


class Shortage:
    """Decides what follows when a step of a run breaks off."""

    def __init__(self, parts: Parts, run_folder: Path) -> None:
        self._parts, self._note = parts, run_folder / NOTE

    def make_smaller(self, error: BaseException, step: int) -> Notice:
        """Let the step be taken again in smaller micro-batches; returns what is said of it.

        Args:
            error: What broke the step off.
            step: Its number.

        Raises:
            TrainingFailed: Where the step cannot be taken again in this attempt.
            BaseException: `error` itself, where memory is not what it says or nothing is smaller.
        """
        smaller = self._smaller() if is_out_of_memory(error) else None
        if smaller is None:
            raise error
        parts = self._parts
        if parts.world.size > 1 or parts.stepper is not None:
            said = _RESTORED.format(step=step, plan=_in_words(smaller))
            note = msgspec.structs.replace(smaller, said=said)
            write_whole(self._note, msgspec.json.encode(note))
            # Without a way out for the user: the supervisor starts the next attempt by itself.
            raise TrainingFailed(f"memory ran out in step {step}; next {_in_words(smaller)}", "")
        config = _changed(parts.settled.config, smaller)
        size = smaller.micro_batch_size or 1
        parts.settled = replace(parts.settled, config=config, micro_batch_size=size)
        parts.train_feed = parts.train_feed.in_micro_batches(size)
        parts.optimizer.zero_grad(set_to_none=True)
        gc.collect()
        if parts.device.type == "cuda":
            torch.cuda.empty_cache()
        return Notice(level="warning", text=_AGAIN.format(step=step, plan=_in_words(smaller)))

    def _smaller(self) -> SmallerPlan | None:
        """Return the next smaller plan; None where there is none.

        A step that steps weights inside its backward pass is one micro-batch: its blocks are
        recomputed first, then it is taken in two, with gradients that stay.
        """
        settled, steps_inside = self._parts.settled, self._parts.stepper is not None
        if steps_inside and settled.recomputation == "none":
            return SmallerPlan(recomputation="blocks")
        size = settled.micro_batch_size // 2
        if not size:
            return None
        again = settled.config.parallel.recomputation
        return SmallerPlan(
            micro_batch_size=size,
            recomputation="blocks" if steps_inside else again,
            in_backward="no" if steps_inside else None,
        )


_AGAIN = "Memory ran out in step {step}: it is taken again, {plan}; the losses stay what they were."
_RESTORED = "Memory ran out in step {step}: the run goes on from its last checkpoint, {plan}."


def _in_words(plan: SmallerPlan) -> str:
    if plan.micro_batch_size is None:
        return "all blocks recomputed"
    return f"in micro-batches of {plan.micro_batch_size} and accordingly more of them"


def _changed(config: RunConfig, plan: SmallerPlan) -> RunConfig:
    changes = {
        "micro_batch_size": plan.micro_batch_size or config.micro_batch_size,
        "parallel": {
            **msgspec.structs.asdict(config.parallel),
            "recomputation": plan.recomputation or config.parallel.recomputation,
        },
        "optimizer": {
            **msgspec.structs.asdict(config.optimizer),
            "in_backward": plan.in_backward or config.optimizer.in_backward,
        },
    }
    return msgspec.convert({**msgspec.structs.asdict(config), **changes}, RunConfig)
