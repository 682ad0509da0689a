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
    """Keeps its slope for the backward pass, if there will be one, in the place of its input."""

    @staticmethod
    def forward(ctx: Any, input: Tensor) -> Tensor:
        """With s = sigmoid(z) and y = x s, the slope is s + (y - y s) z'."""
        output = torch.empty_like(input)
        if not ctx.needs_input_grad[0]:
            for x, y in zip(_chunks(input), _chunks(output), strict=True):
                torch.mul(x, _share(x), out=y)
            return output
        slope = torch.empty_like(input)
        chunks = (_chunks(input), _chunks(output), _chunks(slope))
        linear = torch.tensor(_LINEAR)
        for x, y, rise in zip(*chunks, strict=True):
            share = _share(x)
            torch.mul(x, share, out=y)
            torch.addcmul(linear, x, x, value=3 * _CUBIC, out=rise)
            rise.mul_(torch.addcmul(y, y, share, value=-1)).add_(share)
        ctx.save_for_backward(slope)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (slope,) = ctx.saved_tensors
        return gradient * cast(Tensor, slope)


def _share(x: Tensor) -> Tensor:
    """Return sigmoid(z), the share of the input that is let through."""
    return torch.addcmul(torch.tensor(_LINEAR), x, x, value=_CUBIC).mul_(x).sigmoid_()


def _chunks(tensor: Tensor) -> tuple[Tensor, ...]:
    return torch.split(tensor.view(-1), _CHUNK)
