"""AdamW for bf16 weights without a copy in fp32, one kernel for each tensor.

Weights are rounded stochastically, so small updates are not lost; states are fp32 or 8 bits. It
steps all weights at once like any optimizer, or one at a time inside the backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor, nn

from trainer_core.engine.kernels.adamw_step import (
    Moments,
    Signals,
    StepSettings,
    keys_of,
    update_plainly,
)
from trainer_core.engine.kernels.available import has_triton
from trainer_core.engine.kernels.norm_estimate import NormEstimate

StateFormat = Literal["fp32", "fp8"]

Update = Callable[[Tensor, Tensor, Moments, Signals, StepSettings], None]

NAMES = {
    "average": "exp_avg",
    "root": "exp_avg_sq",
    "average_scale": "exp_avg_scale",
    "root_scale": "exp_avg_sq_scale",
}
"""Fields of `Moments` and their names in a checkpoint: torch's own, and the blocks' scales."""

USUAL_SQUARES = "usual_squares"
"""Beside them where weights are stepped one by one: what a weight's gradient usually brings to the
squared norm, an fp32 scalar."""


class BlockAdamW(torch.optim.Optimizer):
    """AdamW with decoupled weight decay, elementwise bounded updates and device-side verdicts.

    Follows the protocol of torch's fused optimizers: where `found_inf` and `grad_scale` are set,
    `step` leaves everything as it is if the first is 1, and divides gradients by the second.

    Attributes:
        signals: On the device of the weights; `squared_norm` is that of the last gradients seen.
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        states: StateFormat = "fp8",
        seed: int = 0,
        max_norm: float = 0.0,
    ) -> None:
        """Keep the settings and make the states, so that what is held later is held now.

        Args:
            params: Parameters or groups with their own `weight_decay`; fp32 or bf16, contiguous.
            lr: Learning rate.
            betas: Decay of both moments.
            eps: Added to the root.
            weight_decay: Share of a weight that is taken off, times the rate.
            states: Format of both moments.
            seed: Of the random bits that round weights and states.
            max_norm: Where weights are stepped one by one, gradients are scaled down to it; 0
                leaves them. `step` is told its divisor.
        """
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults)
        self._eight_bit = states == "fp8"
        self._seed, self._max_norm = seed, max_norm
        every = [parameter for group in self.param_groups for parameter in group["params"]]
        self._numbers = {parameter: number for number, parameter in enumerate(every)}
        self._groups = {p: group for group in self.param_groups for p in group["params"]}
        self.signals = Signals.at_rest(every[0].device)
        for parameter in every:
            moments = Moments.zeros(parameter.detach(), eight_bit=self._eight_bit)
            self.state[parameter] = {"step": torch.zeros(()), **_by_name(moments)}
        self._estimate: NormEstimate | None = None
        self.found_inf: Tensor | None = None
        self.grad_scale: Tensor | None = None

    def clip_one_by_one(self) -> None:
        """From now on clip by an estimate of the whole norm, renewed with each gradient."""
        if not self._max_norm:
            return
        self._estimate = NormEstimate(
            self._max_norm, squares=self.signals.squared_norm, divisor=self.signals.divisor
        )
        for parameter in self._numbers:
            nothing = torch.zeros((), device=parameter.device)
            self.state[parameter].setdefault(USUAL_SQUARES, nothing)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Step every parameter that has a gradient."""
        self.begin(self.found_inf, self.grad_scale)
        for parameter in self._numbers:
            if parameter.grad is not None:
                self.step_one(parameter, parameter.grad)

    @torch.no_grad()
    def begin(self, frozen: Tensor | None = None, divisor: Tensor | None = None) -> None:
        """Start a step whose parameters are stepped one by one.

        Args:
            frozen: 1.0 on the device leaves all weights and states as they are; None is 0.
            divisor: Gradients are divided by it; None is 1, or what `clip_one_by_one` estimates.
        """
        self.signals.squared_norm.zero_()
        _set(self.signals.frozen, frozen, 0.0)
        _set(self.signals.divisor, divisor, 1.0)
        if self._estimate is not None:
            self._estimate.begin([self.state[p][USUAL_SQUARES] for p in self._numbers])

    @torch.no_grad()
    def step_one(self, parameter: nn.Parameter, gradient: Tensor) -> None:
        """Step one parameter; what comes after a gradient that is not finite is left as it is."""
        state = self.state[parameter]
        state["step"] += 1
        group, step = self._groups[parameter], int(state["step"])
        settings = StepSettings(
            learning_rate=group["lr"],
            weight_decay=group["weight_decay"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            epsilon=group["eps"],
            step=step,
            keys=keys_of(self._seed, self._numbers[parameter], step),
        )
        update = update_for(parameter.device)
        update(parameter, gradient.contiguous(), _moments_of(state), self.signals, settings)
        if self._estimate is not None:
            self._estimate.after(state[USUAL_SQUARES])

    def gradient_norm(self) -> Tensor:
        """Return the global norm of the gradients seen since `begin`, an fp32 scalar."""
        return self.signals.squared_norm.sum().sqrt().float()

    def place_state(self, parameter: nn.Parameter, name: str, value: Tensor) -> Tensor:
        """Return a stored state where and as this optimizer keeps it.

        Raises:
            ValueError: If it has another format than this optimizer's.
        """
        if name == "step":
            return value
        is_scale = name.endswith("_scale")
        if name == USUAL_SQUARES:
            return value.to(parameter.device)
        wanted = torch.uint8 if self._eight_bit and not is_scale else torch.float32
        if value.dtype != wanted or (is_scale and not self._eight_bit):
            raise ValueError(f"{name} is {value.dtype}, this run keeps {wanted}")
        return value.to(parameter.device).contiguous()


@cache
def update_for(device: torch.device) -> Update:
    """Return the fastest way there is to step a tensor on a device."""
    if device.type == "cuda" and has_triton():
        from trainer_core.engine.kernels.adamw_triton import update_on_card

        return update_on_card
    return update_plainly


def _set(signal: Tensor, value: Tensor | None, otherwise: float) -> None:
    if value is None:
        signal.fill_(otherwise)
    else:
        signal.copy_(value)


def _by_name(moments: Moments) -> dict[str, Tensor]:
    found = {name: getattr(moments, field) for field, name in NAMES.items()}
    return {name: value for name, value in found.items() if value is not None}


def _moments_of(state: dict[str, Tensor]) -> Moments:
    return Moments(**{field: state.get(name) for field, name in NAMES.items()})  # type: ignore[arg-type]
