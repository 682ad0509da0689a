"""GELU in its tanh form for CPUs, out of the sigmoid: torch's own spends its time on the tanh.

0.5 x (1 + tanh(u)) is x sigmoid(2 u), with u = sqrt(2 / pi) (x + 0.044715 x³).
Source: Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_LINEAR = 2 * math.sqrt(2 / math.pi)
_CUBIC = 0.044715 * _LINEAR

_CHUNK = 1 << 16
"""Elements worked on together: their scratch stays in a core's cache."""


class CpuGelu(nn.Module):
    """`gelu_pytorch_tanh` with the same values to fp32's rounding."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the activation; other devices and formats take torch's own."""
        if input.device.type != "cpu" or input.dtype != torch.float32:
            return nn.functional.gelu(input, approximate="tanh")
        return cast(Tensor, cast(Any, _Gelu).apply(input.contiguous()))


class _Gelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor) -> Tensor:
        ctx.save_for_backward(input)
        output = torch.empty_like(input)
        linear = torch.tensor(_LINEAR)
        for x, y in zip(_chunks(input), _chunks(output), strict=True):
            torch.addcmul(linear, x, x, value=_CUBIC, out=y)
            y.mul_(x).sigmoid_().mul_(x)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """With s = sigmoid(z), the slope is s (1 + (1 - s) x z')."""
        (input,) = ctx.saved_tensors
        result = torch.empty_like(input)
        linear = torch.tensor(_LINEAR)
        chunks = (_chunks(input), _chunks(gradient.contiguous()), _chunks(result))
        for x, g, out in zip(*chunks, strict=True):
            share = torch.addcmul(linear, x, x, value=_CUBIC).mul_(x).sigmoid_()
            rise = torch.addcmul(linear, x, x, value=3 * _CUBIC).mul_(x)
            rise.addcmul_(rise, share, value=-1)
            share.mul_(g)
            torch.addcmul(share, share, rise, out=out)
        return result


def _chunks(tensor: Tensor) -> tuple[Tensor, ...]:
    return torch.split(tensor.view(-1), _CHUNK)
