"""Linear layers whose three products run in fp8 while they train, and in bf16 otherwise.

Weights stay bf16 parameters under their own names and in their own layout; codes and scales are
made anew in every pass, so nothing has to be kept between steps.

Legend: T tokens, I inputs, O outputs.
"""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from trainer_core.engine.kernels.fp8_cast import (
    cast_both,
    cast_both_and_sum,
    cast_columns,
    cast_columns_after,
    cast_rows,
    cast_rows_after,
    largest_magnitude,
    scale_of,
)

FORWARD, BACKWARD = torch.float8_e4m3fn, torch.float8_e5m2
"""Formats of weights and activations, and of gradients, whose range is wider."""

ALIGNMENT = 16
"""Elements that every dimension of a product must be a multiple of."""


_MADE_AGAIN = ("c_proj", "o_proj", "out_proj", "down_proj", "fc2")
"""Names of layers that follow attention or an activation."""


class Fp8Linear(nn.Linear):
    """`nn.Linear` with fp8 products in training; its class is set on a layer that is there."""

    keeps_codes = True

    def forward(self, input: Tensor) -> Tensor:
        """Return the layer's output in the input's format."""
        cast_input = as_computed(input)
        if not self.training or not fits(cast_input):
            return linear(input, self.weight, self.bias)
        flat = cast_input.reshape(-1, input.shape[-1])
        output = _product(flat, self.weight, self.bias, turned=False, keep=self.keeps_codes)
        return output.view(*input.shape[:-1], output.shape[-1])


def use_fp8(block: nn.Module, *, keep_codes: bool = True) -> int:
    """Make the linear layers of a block compute in fp8; returns how many could.

    GPT-2's own layers keep their weight turned over; they are taken as they are. Where adapters are
    trained beside frozen weights, the frozen layers are changed and the adapters left.

    Args:
        block: Its layers are changed in place.
        keep_codes: Keep each input's codes for the backward pass; else not those of layers whose
            input is kept anyway (attention's output) or cheap to make again (an activation).
    """
    from transformers.pytorch_utils import Conv1D

    turned = _turned_class(Conv1D)
    changed = 0
    for name, layer in block.named_modules():
        if type(layer) not in (nn.Linear, Conv1D) or any(d % ALIGNMENT for d in layer.weight.shape):
            continue
        if ".lora_" in name:
            continue  # as narrow as their rank: the casts would cost more than the products
        layer.__class__ = Fp8Linear if type(layer) is nn.Linear else turned
        layer.keeps_codes = keep_codes or not name.endswith(_MADE_AGAIN)
        changed += 1
    return changed


def products_in_fp8_work(device: torch.device) -> bool:
    """Whether a card multiplies fp8; tried on a small product, since builds differ too."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < (8, 9):
        return False
    one = torch.ones((), device=device)
    codes = torch.ones(32, 32, device=device).to(FORWARD)
    try:
        output = multiply(codes, codes, one, one)
    except (RuntimeError, NotImplementedError):
        return False
    return bool((output == 32).all())


class _Product(torch.autograd.Function):
    """input @ weight, each operand rounded to fp8 with a scale from its own largest element."""

    @staticmethod
    def forward(  # noqa: PLR0917  # autograd passes by position
        ctx: Any,
        input_TI: Tensor,
        weight: Tensor,
        bias_O: Tensor | None,
        turned: bool,
        keep_codes: bool,
    ) -> Tensor:
        input_scale = scale_of(largest_magnitude(input_TI), FORWARD)
        weight_scale = scale_of(largest_magnitude(weight), FORWARD)
        if keep_codes:
            input_codes_TI, kept = cast_both(input_TI, input_scale, FORWARD)
        else:
            input_codes_TI, kept = cast_rows(input_TI, input_scale, FORWARD), input_TI
        to_OI = cast_columns if turned else cast_rows
        ctx.save_for_backward(kept, weight, input_scale, weight_scale)
        ctx.turned, ctx.keep_codes, ctx.has_bias = turned, keep_codes, bias_O is not None
        return multiply(
            input_codes_TI, to_OI(weight, weight_scale, FORWARD), input_scale, weight_scale, bias_O
        )

    @staticmethod
    def backward(ctx: Any, gradient_TO: Tensor) -> tuple[Tensor | None, ...]:
        kept, weight, input_scale, weight_scale = ctx.saved_tensors
        input_codes_IT = kept
        if not ctx.keep_codes:
            input_codes_IT = cast_columns_after(kept, input_scale, FORWARD, gradient_TO)
        scale = scale_of(largest_magnitude(gradient_TO), BACKWARD)
        bias_gradient = None
        if ctx.has_bias:
            codes_TO, codes_OT, sums = cast_both_and_sum(gradient_TO, scale, BACKWARD)
            bias_gradient = sums.to(gradient_TO.dtype)
        else:
            codes_TO, codes_OT = cast_both(gradient_TO, scale, BACKWARD)
        to_IO = cast_rows if ctx.turned else cast_columns
        weight_codes_IO = to_IO(weight, weight_scale, FORWARD)
        input_gradient = multiply(codes_TO, weight_codes_IO, scale, weight_scale)
        if ctx.turned:
            weight_gradient = multiply(input_codes_IT, codes_OT, input_scale, scale)
        else:
            weight_gradient = multiply(codes_OT, input_codes_IT, scale, input_scale)
        return input_gradient, weight_gradient, bias_gradient, None, None


class _FrozenProduct(torch.autograd.Function):
    """The same over a weight that is not trained: only the input gets a gradient."""

    @staticmethod
    def forward(
        ctx: Any, input_TI: Tensor, weight: Tensor, bias_O: Tensor | None, turned: bool
    ) -> Tensor:
        input_scale = scale_of(largest_magnitude(input_TI), FORWARD)
        weight_scale = scale_of(largest_magnitude(weight), FORWARD)
        ctx.save_for_backward(weight, weight_scale)
        ctx.turned = turned
        codes_TI = cast_rows(input_TI, input_scale, FORWARD)
        to_OI = cast_columns if turned else cast_rows
        codes_OI = to_OI(weight, weight_scale, FORWARD)
        return multiply(codes_TI, codes_OI, input_scale, weight_scale, bias_O)

    @staticmethod
    def backward(ctx: Any, gradient_TO: Tensor) -> tuple[Tensor | None, ...]:
        weight, weight_scale = ctx.saved_tensors
        scale = scale_of(largest_magnitude(gradient_TO), BACKWARD)
        codes_TO = cast_rows(gradient_TO, scale, BACKWARD)
        if ctx.turned:
            codes_IO = cast_rows_after(weight, weight_scale, FORWARD, gradient_TO)
        else:
            codes_IO = cast_columns_after(weight, weight_scale, FORWARD, gradient_TO)
        return multiply(codes_TO, codes_IO, scale, weight_scale), None, None, None


def _product(
    input_TI: Tensor, weight: Tensor, bias_O: Tensor | None, *, turned: bool, keep: bool
) -> Tensor:
    if not weight.requires_grad:
        return cast(Tensor, cast(Any, _FrozenProduct).apply(input_TI, weight, bias_O, turned))
    apply = cast(Any, _Product).apply
    return cast(Tensor, apply(input_TI, weight, bias_O, turned, keep))


def multiply(
    left: Tensor, right: Tensor, left_scale: Tensor, right_scale: Tensor, bias: Tensor | None = None
) -> Tensor:
    """Return left @ right.T in bf16; both run along the summed dimension."""
    if left.is_cuda:
        return torch._scaled_mm(
            left,
            right.t(),
            scale_a=left_scale,
            scale_b=right_scale,
            bias=bias,
            out_dtype=torch.bfloat16,
            use_fast_accum=True,
        )
    output = (left.float() @ right.float().t()) * (left_scale * right_scale)
    return (output if bias is None else output + bias.float()).to(torch.bfloat16)


def as_computed(input: Tensor) -> Tensor:
    """Return an input in the format of the products: autocast's own functions would cast it."""
    kind = input.device.type
    return input.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else input


def fits(input: Tensor) -> bool:
    """Whether an input can be multiplied in fp8: bf16, a whole number of units of tokens."""
    return input.dtype == torch.bfloat16 and input.shape[:-1].numel() % ALIGNMENT == 0


@cache
def _turned_class(base: type[nn.Module]) -> type[nn.Module]:
    class Fp8Conv1D(base):  # type: ignore[misc, valid-type]
        """GPT-2's linear layer, weight [I, O], with fp8 products in training."""

        keeps_codes = True

        def forward(self, x: Tensor) -> Tensor:
            """Return the layer's output in the input's format."""
            cast_x = as_computed(x)
            if not self.training or not fits(cast_x):
                return cast(Tensor, super().forward(x))
            flat = cast_x.reshape(-1, x.shape[-1])
            output = _product(flat, self.weight, self.bias, turned=True, keep=self.keeps_codes)
            return output.view(*x.shape[:-1], output.shape[-1])

    return Fp8Conv1D
