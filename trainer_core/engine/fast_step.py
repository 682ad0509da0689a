"""The fast way to train all weights on one card: chosen when the model is there, then applied."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from trainer_core.engine.kernels.block_adamw import NAMES, BlockAdamW, StateFormat
from trainer_core.engine.kernels.fp8_linear import products_in_fp8_work, use_fp8
from trainer_core.engine.kernels.fp8_mlp import fuse_gelu
from trainer_core.engine.precision import Numerics
from trainer_core.engine.recompute import make_activations_again, recompute_blocks
from trainer_core.engine.settled import Settled
from trainer_core.errors import ConfigError
from trainer_core.plan.fast_path import FastPath, Wanted, choose_fast_path
from trainer_core.plan.types import ModelShape
from trainer_core.run.config.run_config import RunConfig


def settle_fast_path(
    settled: Settled,
    shape: ModelShape,
    device: torch.device,
    *,
    stored_states: frozenset[str] = frozenset(),
) -> tuple[Settled, FastPath]:
    """Choose how a step is taken and write it into what is settled.

    Args:
        settled: By configuration and data; its micro-batch is kept where the user named one.
        shape: Of the model, whose weights are on `device` already.
        device: The card.
        stored_states: Names of the optimizer states a run goes on from: their format stays, however
            much memory there is now.

    Raises:
        ConfigError: If stepping inside the backward pass is asked for with several of them.
    """
    wanted = wanted_of(settled.config)
    if stored_states:
        kept: StateFormat = "fp8" if NAMES["root_scale"] in stored_states else "fp32"
        wanted = dataclasses.replace(wanted, states=kept)
    try:
        path = choose_fast_path(
            shape,
            memory_bytes=memory_to_use(device),
            sequence_length=settled.config.sequence_length or 1,
            rows=settled.global_batch_size,
            fp8_works=products_in_fp8_work(device),
            wanted=wanted,
        )
    except ValueError as error:
        fix = "set micro_batch_size to global_batch_size, or in_backward to no"
        raise ConfigError("optimizer.in_backward", "yes", fix, str(error)) from None
    changed = dataclasses.replace(
        settled,
        micro_batch_size=path.micro_batch_size,
        recomputation="blocks" if path.recomputed_blocks else "none",
        choices=(*settled.choices, *path.reasons),
        memory_bytes=path.memory_bytes,
    )
    return changed, path


def memory_to_use(device: torch.device) -> int:
    """Return the bytes of a card that this process has or can still get."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device)


def wanted_of(config: RunConfig) -> Wanted:
    """Return what a configuration settles of the fast path; `auto` leaves a choice open."""
    yes_or_no = {"auto": None, "yes": True, "no": False}
    states, again = config.optimizer.states, config.parallel.recomputation
    return Wanted(
        micro_batch_size=config.micro_batch_size,
        states=None if states == "auto" else states,
        in_backward=yes_or_no[config.optimizer.in_backward],
        fp8={"auto": None, "bf16": False, "fp8": True}[config.products],
        recomputation=None if again == "auto" else again,
        from_scratch=config.from_scratch,
    )


def takes_fast_path(config: RunConfig, numerics: Numerics, world_size: int) -> bool:
    """Whether a run trains bf16 weights without a copy: all weights, one card, nothing plain."""
    return (
        numerics.device_type == "cuda"
        and numerics.word == "bf16"
        and config.numerics == "auto"
        and config.method == "full"
        and world_size == 1
    )


def prepare_blocks(model: Any, blocks: list[nn.Module], path: FastPath) -> None:
    """Make blocks compute as the path says; before they are compiled."""
    whole = blocks[path.recomputed_blocks :]
    if path.fp8:
        for block in blocks:
            use_fp8(block, keep_codes=path.keep_inputs)
            fuse_gelu(block, keep_codes=path.keep_inputs)
    if not path.keep_inputs:
        for block in whole:
            make_activations_again(block)
    if path.recomputed_blocks:
        recompute_blocks(model)
        for block in whole:
            cast(Any, block).gradient_checkpointing = False


class BackwardStepper:
    """Steps every weight as soon as the backward pass has its gradient, then drops the gradient.

    One backward pass makes one step. The norm of all gradients is known only when the last weight
    has moved; gradients are clipped by an estimate of it, which `kernels.norm_estimate` renews
    with each one that comes.
    """

    def __init__(self, optimizer: BlockAdamW) -> None:
        """Hang a hook on every parameter of the optimizer, which has its earlier states by now."""
        self._optimizer = optimizer
        optimizer.clip_one_by_one()
        self._armed = False
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.register_post_accumulate_grad_hook(self._step_one)

    @contextmanager
    def stepping(self, loss: Tensor) -> Iterator[None]:
        """Let the backward pass inside step weights; elsewhere gradients are only dropped.

        Args:
            loss: Of this pass; one that is not finite freezes all of the step, on the device.
        """
        self._optimizer.begin(frozen=(~torch.isfinite(loss)).float())
        self._armed = True
        try:
            yield
        finally:
            self._armed = False

    def gradient_norm(self) -> Tensor:
        """Return the norm of all gradients of the step, an fp32 scalar on the device."""
        return self._optimizer.gradient_norm()

    def _step_one(self, parameter: Tensor) -> None:
        if parameter.grad is not None and self._armed:
            self._optimizer.step_one(parameter, parameter.grad)  # type: ignore[arg-type]
        parameter.grad = None
