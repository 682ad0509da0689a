"""AdamW, its learning-rate schedule, clipping, and the guard against numbers that are none."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from trainer_core.engine.kernels.block_adamw import BlockAdamW, StateFormat
from trainer_core.run.config.run_config import OptimizerConfig


def build_optimizer(
    model: nn.Module,
    config: OptimizerConfig,
    learning_rate: float,
    *,
    states: StateFormat | None = None,
    seed: int = 0,
) -> torch.optim.AdamW | BlockAdamW:
    """Return a fused AdamW over the trained weights; only matrices decay.

    Biases, norm weights and other vectors are left out of weight decay, as is usual; embeddings
    are matrices and decay.

    Args:
        model: Whose weights are trained.
        config: Of the optimizer.
        learning_rate: The highest rate.
        states: Of our own AdamW, for bf16 weights without a copy; None takes torch's.
        seed: Of the random bits our own rounds with.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {
            "params": [parameter for parameter in trained if parameter.dim() >= 2],
            "weight_decay": config.weight_decay,
        },
        {
            "params": [parameter for parameter in trained if parameter.dim() < 2],
            "weight_decay": 0.0,
        },
    ]
    groups = [group for group in groups if group["params"]]
    betas = (config.beta1, config.beta2)
    if states is not None:
        return BlockAdamW(
            groups,
            lr=learning_rate,
            betas=betas,
            eps=config.epsilon,
            states=states,
            seed=seed,
            max_norm=config.max_grad_norm,
        )
    return torch.optim.AdamW(
        groups,
        lr=learning_rate,
        betas=betas,
        eps=config.epsilon,
        fused=True,
    )


def learning_rate_at(
    step: int, *, config: OptimizerConfig, learning_rate: float, total_steps: int
) -> float:
    """Return the rate of one step: a linear rise, then the schedule down to its floor.

    Args:
        step: Optimizer step, from 1.
        config: `schedule`, `warmup_steps` (None counts as 0 here) and the floor.
        learning_rate: The highest rate.
        total_steps: Steps of the whole run.
    """
    warmup = config.warmup_steps or 0
    if step <= warmup:
        return learning_rate * step / (warmup + 1)
    if config.schedule == "constant":
        return learning_rate
    # The first step after the rise has the full rate, the last one the floor.
    progress = (step - warmup - 1) / max(1, total_steps - warmup - 1)
    progress = min(1.0, progress)
    left = 1 - progress if config.schedule == "linear" else (1 + math.cos(math.pi * progress)) / 2
    floor = config.minimum_learning_rate_fraction
    return learning_rate * (floor + (1 - floor) * left)


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Use a rate from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate


def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Return the global norm of all gradients, over all shards, as an fp32 scalar on the device."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients, foreach=True)
    if hasattr(norm, "full_tensor"):
        norm = cast(Tensor, norm.full_tensor())
    return norm.float()


def guarded_step(
    optimizer: torch.optim.Optimizer, loss: Tensor, norm: Tensor, max_norm: float
) -> None:
    """Clip and step, or leave every weight as it is where loss or norm is not finite.

    Decided on the device, so nothing waits for it: the fused kernel takes the clipping factor and
    the verdict as tensors, as it does for loss scaling.

    Args:
        optimizer: A fused one.
        loss: Loss of the step, a scalar, equal on every rank.
        norm: Global norm of the gradients, a scalar.
        max_norm: Gradients are scaled down to it; 0 leaves them.
    """
    fused = cast("_ScaledOptimizer", optimizer)
    finite = torch.isfinite(norm) & torch.isfinite(loss)
    fused.found_inf = (~finite).float()
    fused.grad_scale = (norm / max_norm).clamp_min(1.0) if max_norm > 0 else None
    if fused.grad_scale is not None:
        fused.grad_scale = torch.where(finite, fused.grad_scale, 1.0)
    optimizer.step()


class _ScaledOptimizer(torch.optim.Optimizer):
    """What torch's fused optimizers read besides gradients; set by its gradient scaler too."""

    found_inf: Tensor
    """1.0 leaves the weights as they are."""
    grad_scale: Tensor | None
    """Gradients are divided by it."""
