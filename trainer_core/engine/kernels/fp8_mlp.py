"""A GPT-2 block's two wide layers and the GELU between them as one function in fp8.

What `fp8_linear` does layer by layer, without a bf16 copy of GELU's output and with one reading of
its input fewer in each pass.

Legend: T tokens, D width, F feed-forward width.
"""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, nn

from trainer_core.engine.kernels.fp8_cast import (
    cast_both,
    cast_both_and_sum,
    cast_columns,
    cast_rows,
    largest_magnitude,
    scale_of,
)
from trainer_core.engine.kernels.fp8_linear import BACKWARD, FORWARD, fits, multiply
from trainer_core.engine.kernels.gelu_codes import (
    gelu_backward,
    gelu_backward_and_codes,
    gelu_both,
    gelu_rows,
    largest_after_gelu,
)


def fuse_gelu(block: nn.Module, *, keep_codes: bool) -> int:
    """Let GPT-2's feed-forward parts, whose layers compute in fp8 already, run as one function.

    Args:
        block: Changed in place; names and layout of its weights stay.
        keep_codes: Keep the codes of GELU's output for the backward pass; else make them again
            there from its input, which is kept in any case.

    Returns:
        How many could: those of GPT-2's own class with one of the two GELUs.
    """
    from transformers.models.gpt2.modeling_gpt2 import GPT2MLP

    changed = 0
    for module in block.modules():
        layers = (getattr(module, name, None) for name in ("c_fc", "c_proj"))
        if type(module) is not GPT2MLP or not all(
            hasattr(layer, "keeps_codes") for layer in layers
        ):
            continue
        approximation = _approximation_of(module.act)
        if approximation is None:
            continue
        part = cast(Any, module)
        part.__class__ = _fused_class(cast(Any, GPT2MLP))
        part.approximation, part.keeps_codes = approximation, keep_codes
        changed += 1
    return changed


def _approximation_of(function: object) -> str | None:
    """Return which GELU a module is, asked by trying it; None if it is none."""
    if not isinstance(function, nn.Module) or list(function.parameters()):
        return None
    tried = torch.linspace(-6, 6, 97)
    with torch.no_grad():
        found = function(tried)
    for approximation in ("none", "tanh"):
        if torch.allclose(found, nn.functional.gelu(tried, approximate=approximation), atol=1e-6):
            return approximation
    return None


class _GeluMlp(torch.autograd.Function):
    """gelu(input @ up + bias) @ down + bias; all six products in fp8."""

    @staticmethod
    def forward(  # noqa: PLR0917  # autograd passes by position
        ctx: Any,
        input_TD: Tensor,
        up_DF: Tensor,
        up_bias_F: Tensor,
        down_FD: Tensor,
        down_bias_D: Tensor,
        approximation: str,
        keep_codes: bool,
    ) -> Tensor:
        input_scale = scale_of(largest_magnitude(input_TD), FORWARD)
        up_scale = scale_of(largest_magnitude(up_DF), FORWARD)
        codes_TD, codes_DT = cast_both(input_TD, input_scale, FORWARD)
        up_codes_FD = cast_columns(up_DF, up_scale, FORWARD)
        hidden_TF = multiply(codes_TD, up_codes_FD, input_scale, up_scale, up_bias_F)
        scale = scale_of(largest_after_gelu(hidden_TF, approximation), FORWARD)
        codes_FT = None
        if keep_codes:
            codes_TF, codes_FT = gelu_both(hidden_TF, scale, FORWARD, approximation)
        else:
            codes_TF = gelu_rows(hidden_TF, scale, FORWARD, approximation)
        down_scale = scale_of(largest_magnitude(down_FD), FORWARD)
        down_codes_DF = cast_columns(down_FD, down_scale, FORWARD)
        scales = (input_scale, up_scale, scale, down_scale)
        ctx.save_for_backward(codes_DT, hidden_TF, codes_FT, up_DF, down_FD, *scales)
        ctx.approximation = approximation
        return multiply(codes_TF, down_codes_DF, scale, down_scale, down_bias_D)

    @staticmethod
    def backward(ctx: Any, gradient_TD: Tensor) -> tuple[Tensor | None, ...]:
        codes_DT, hidden_TF, codes_FT, up_DF, down_FD, *scales = ctx.saved_tensors
        input_scale, up_scale, scale, down_scale = scales
        given_scale = scale_of(largest_magnitude(gradient_TD), BACKWARD)
        given_TD, given_DT, down_bias = cast_both_and_sum(gradient_TD, given_scale, BACKWARD)
        down_codes_FD = cast_rows(down_FD, down_scale, FORWARD)
        after_TF = multiply(given_TD, down_codes_FD, given_scale, down_scale)
        kind = ctx.approximation
        if codes_FT is None:
            before_TF, largest, codes_FT = gelu_backward_and_codes(
                after_TF, hidden_TF, kind, scale, FORWARD
            )
        else:
            before_TF, largest = gelu_backward(after_TF, hidden_TF, kind)
        down_FD_gradient = multiply(codes_FT, given_DT, scale, given_scale)
        before_scale = scale_of(largest, BACKWARD)
        before_TF, before_FT, up_bias = cast_both_and_sum(before_TF, before_scale, BACKWARD)
        up_codes_DF = cast_rows(up_DF, up_scale, FORWARD)
        return (
            multiply(before_TF, up_codes_DF, before_scale, up_scale),
            multiply(codes_DT, before_FT, input_scale, before_scale),
            up_bias.to(gradient_TD.dtype),
            down_FD_gradient,
            down_bias.to(gradient_TD.dtype),
            None,
            None,
        )


@cache
def _fused_class(base: type[nn.Module]) -> type[nn.Module]:
    class Fp8GeluMlp(base):  # type: ignore[misc, valid-type]
        """GPT-2's feed-forward part, one function in training."""

        approximation = "none"
        keeps_codes = True

        def forward(self, hidden_states: Tensor) -> Tensor:
            """Return the part's output in the input's format."""
            if not self.training or not fits(hidden_states):
                return cast(Tensor, super().forward(hidden_states))
            flat = hidden_states.reshape(-1, hidden_states.shape[-1])
            up, down = self.c_fc, self.c_proj
            how = (self.approximation, self.keeps_codes)
            apply = cast(Any, _GeluMlp).apply
            output = apply(flat, up.weight, up.bias, down.weight, down.bias, *how)
            return cast(Tensor, self.dropout(output.view(*hidden_states.shape)))

    return Fp8GeluMlp
