"""One AdamW step of one tensor, and what it reads and writes: the definition in plain torch.

Legend: N elements, B blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer_core.engine.kernels.block_codes import (
    SIGNED_LARGEST,
    SIGNED_MANTISSA,
    UNSIGNED_LARGEST,
    UNSIGNED_MANTISSA,
    blocks_of,
    decode,
    encode,
    random_bits,
    round_to_bf16,
    scale_count,
)

SLOTS = 256
"""Places that programs of one kernel add their sums to, so that they do not queue at one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moments:
    """AdamW's state of one tensor: both fp32, or both in codes with a scale for each block."""

    average: Tensor
    """First moment: fp32, or uint8 e4m3 codes, shaped as the weight."""
    root: Tensor
    """fp32: second moment. uint8: codes of its square root."""
    average_scale: Tensor | None = None
    """[B] fp32; None where the state is fp32."""
    root_scale: Tensor | None = None

    @staticmethod
    def zeros(weight: Tensor, *, eight_bit: bool) -> Moments:
        """Return the state before the first step."""
        if not eight_bit:
            empty = torch.zeros_like(weight, dtype=torch.float32)
            return Moments(average=empty, root=torch.zeros_like(empty))
        codes = torch.zeros_like(weight, dtype=torch.uint8)
        scales = torch.zeros(scale_count(weight.numel()), device=weight.device)
        return Moments(
            average=codes,
            root=torch.zeros_like(codes),
            average_scale=scales,
            root_scale=torch.zeros_like(scales),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Signals:
    """Numbers on the device that decide over a step without anybody waiting for them."""

    frozen: Tensor
    """fp32 scalar: 1.0 leaves everything as it is. Set where a gradient is not finite."""
    divisor: Tensor
    """fp32 scalar gradients are divided by."""
    squared_norm: Tensor
    """[SLOTS] fp64, whose sum is the gradients' squared norm before the divisor."""

    @staticmethod
    def at_rest(device: torch.device) -> Signals:
        """Return signals that let every step pass unchanged."""
        return Signals(
            frozen=torch.zeros((), device=device),
            divisor=torch.ones((), device=device),
            squared_norm=torch.zeros(SLOTS, dtype=torch.float64, device=device),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class StepSettings:
    """What AdamW needs besides tensors, for one tensor and one step."""

    learning_rate: float
    weight_decay: float
    beta1: float
    beta2: float
    epsilon: float
    step: int
    """From 1."""
    keys: tuple[int, int]
    """32 bits each for the random bits; never the same for two tensors or steps."""

    @property
    def correction1(self) -> float:
        """Divisor of the first moment."""
        return 1 - self.beta1**self.step

    @property
    def correction2(self) -> float:
        """Divisor of the second moment's root."""
        return math.sqrt(1 - self.beta2**self.step)

    @property
    def bound(self) -> float:
        """The largest quotient of moment and root that exact AdamW can ever have.

        By Cauchy-Schwarz over the weights of past gradients. Exact states never reach it; rounded
        states, and roots that were rounded away, cannot go beyond it. 10 where there is no bound.
        """
        left = 1 - self.beta1**2 / self.beta2 if self.beta2 > 0 else 0.0
        if left <= 0:
            return 10.0
        return min(10.0, (1 - self.beta1) / math.sqrt((1 - self.beta2) * left))


def keys_of(seed: int, tensor: int, step: int) -> tuple[int, int]:
    """Return two words of 32 bits that no other tensor, step or seed has.

    Source: splitmix64, https://prng.di.unimi.it/splitmix64.c, over a counter of all three.
    """
    mask = 2**64 - 1
    word = (seed * 0xD1342543DE82EF95 + tensor * 0x2545F4914F6CDD1D + step) & mask
    word = (word + 0x9E3779B97F4A7C15) & mask
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & mask
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & mask
    word ^= word >> 31
    return word & 0xFFFFFFFF, word >> 32


def update_plainly(
    weight: Tensor, gradient: Tensor, moments: Moments, signals: Signals, settings: StepSettings
) -> None:
    """Take one step in place with plain torch; waits for the device to look at `frozen`.

    Args:
        weight: fp32, or bf16, which is rounded stochastically.
        gradient: Any float format, shaped as the weight.
        moments: Of this weight; changed in place.
        signals: On the same device.
        settings: Of this step.
    """
    given = gradient.detach().reshape(-1).float()
    signals.squared_norm[0] += given.double().square().sum()
    if not bool(torch.isfinite(given).all()):
        signals.frozen.fill_(1.0)
    if float(signals.frozen):
        return
    given = given / signals.divisor
    average, second = _moments_after(moments, given, settings)
    root = second.sqrt()
    quotient = (average / settings.correction1) / (root / settings.correction2 + settings.epsilon)
    quotient = quotient.clamp(-settings.bound, settings.bound)
    rate = settings.learning_rate
    current = weight.detach().reshape(-1).float()
    updated = current * (1 - rate * settings.weight_decay) - rate * quotient
    random = random_bits(updated.numel(), settings.keys, weight.device)
    if weight.dtype == torch.bfloat16:
        updated = round_to_bf16(updated, random & 0xFFFF)
    weight.detach().copy_(updated.view_as(weight))
    _store(moments, average, second, root, random)


def _moments_after(
    moments: Moments, given: Tensor, settings: StepSettings
) -> tuple[Tensor, Tensor]:
    average, second = moments.average.reshape(-1), moments.root.reshape(-1)
    if moments.average_scale is not None and moments.root_scale is not None:
        codes = average.to(torch.int32)
        signs = torch.where(codes >= 0x80, -1.0, 1.0)
        magnitudes = decode(codes & 0x7F, mantissa=SIGNED_MANTISSA)
        average = signs * _scaled(magnitudes, moments.average_scale)
        root = _scaled(decode(second, mantissa=UNSIGNED_MANTISSA), moments.root_scale)
        second = root * root
    average = settings.beta1 * average + (1 - settings.beta1) * given
    second = settings.beta2 * second + (1 - settings.beta2) * given * given
    return average, second


def _store(moments: Moments, average: Tensor, second: Tensor, root: Tensor, random: Tensor) -> None:
    if moments.average_scale is None or moments.root_scale is None:
        moments.average.copy_(average.view_as(moments.average))
        moments.root.copy_(second.view_as(moments.root))
        return
    moments.average_scale.copy_(blocks_of(average.abs()).amax(1) / SIGNED_LARGEST)
    moments.root_scale.copy_(blocks_of(root).amax(1) / UNSIGNED_LARGEST)
    codes = encode(
        _unscaled(average.abs(), moments.average_scale),
        (random >> 16) & 0xFF,
        mantissa=SIGNED_MANTISSA,
    )
    codes = codes + torch.where(average < 0, 0x80, 0)
    moments.average.copy_(codes.view_as(moments.average))
    codes = encode(_unscaled(root, moments.root_scale), random >> 24, mantissa=UNSIGNED_MANTISSA)
    # A root that is rounded to zero would let the quotient jump to its bound.
    codes = torch.where(root > 0, codes.clamp_min(1), codes)
    moments.root.copy_(codes.view_as(moments.root))


def _scaled(values: Tensor, scales: Tensor) -> Tensor:
    return (blocks_of(values) * scales[:, None]).reshape(-1)[: values.numel()]


def _unscaled(values: Tensor, scales: Tensor) -> Tensor:
    inverse = torch.where(scales > 0, 1 / scales, 0.0)
    return (blocks_of(values) * inverse[:, None]).reshape(-1)[: values.numel()]
