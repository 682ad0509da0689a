"""A step's passes through the model, whatever the plan: losses, gradients and their norm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import cast

import torch
from torch import Tensor

from trainer_core.engine.distributed import reduce_sum
from trainer_core.engine.feed import MicroBatch
from trainer_core.engine.optimizer import gradient_norm
from trainer_core.engine.parallel.norm import copies_of, norm_over_ranks
from trainer_core.engine.parallel.stages import Pipeline
from trainer_core.engine.setup import Parts


class Passes:
    """Forward and backward passes of a run; every rank has one and calls it alike."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._trained = [p for p in parts.objective.parameters() if p.requires_grad]
        degrees = parts.mesh.degrees
        self._weights = None
        if degrees.tensor > 1 or degrees.stages > 1:
            self._weights = copies_of(parts.model, parts.mesh)

    def forward_backward(
        self,
        micro_batches: Sequence[MicroBatch],
        counted_tokens: int,
        beat: Callable[[], None],
    ) -> Tensor:
        """Return the step's loss over all ranks; its gradients stand in the parameters.

        Args:
            micro_batches: Of this rank.
            counted_tokens: Of the whole step, over all ranks.
            beat: Called after each micro-batch.
        """
        scale = self._parts.mesh.loss_scale / counted_tokens
        if isinstance(self._parts.objective, Pipeline):
            arguments = [micro_batch.arguments() for micro_batch in micro_batches]
            total = self._parts.objective.forward_backward(arguments, scale, beat)
        else:
            total = torch.zeros((), device=self._parts.device)
            for number, micro_batch in enumerate(micro_batches, start=1):
                with self._accumulating(last=number == len(micro_batches)):
                    loss = self._parts.objective(**micro_batch.arguments())
                    with self._stepping(loss):
                        (loss * scale).backward()
                total += loss.detach()
                beat()
        return reduce_sum(self._parts.mesh.own_share(total)) / counted_tokens

    def try_heaviest(self, micro_batch: MicroBatch) -> None:
        """Pass one micro-batch through, as often as it can be there at the same time.

        Gradients are left in the parameters.
        """
        if isinstance(self._parts.objective, Pipeline):
            in_flight = min(
                self._parts.mesh.degrees.stages, self._parts.settled.gradient_accumulation_steps
            )
            arguments = [micro_batch.arguments()] * in_flight
            self._parts.objective.forward_backward(arguments, 1.0, lambda: None)
        else:
            self._parts.objective(**micro_batch.arguments()).backward()

    def gradient_norm(self) -> Tensor:
        """Return the norm of the step's gradients over all ranks, fp32, on the device."""
        if self._parts.stepper is not None:
            return self._parts.stepper.gradient_norm()
        if self._weights is not None:
            return norm_over_ranks(self._weights)
        return gradient_norm(self._trained)

    def _stepping(self, loss: Tensor) -> AbstractContextManager[object]:
        """Inside, weights step as their gradients come, where the run does that."""
        stepper = self._parts.stepper
        return nullcontext() if stepper is None else stepper.stepping(loss.detach())

    def _accumulating(self, *, last: bool) -> AbstractContextManager[object]:
        """DDP sends gradients with a step's last micro-batch; FSDP with each, to free memory."""
        no_sync = getattr(self._parts.objective, "no_sync", None)
        if no_sync is None or last:
            return nullcontext()
        return cast(AbstractContextManager[object], no_sync())
