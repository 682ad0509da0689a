"""A model whose blocks' linear layers hold their frozen weights in 4 bits, for QLoRA."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from trainer_core.engine.kernels import nf4

SCALES = "weight_scales"
"""Name of the scales beside the codes, which stand under the weight's own name."""


class FourBitLinear(nn.Linear):
    """A frozen linear layer: codes under the weight's name, scales beside them.

    Attributes:
        turned: Whether the layer it stands for keeps its weight as [I, O], as GPT-2's does. The
            codes are of [O, I] all the same.
    """

    def __init__(self, layer: nn.Module, device: torch.device) -> None:
        """Take over a layer, its weight rounded on `device`."""
        nn.Module.__init__(self)
        source = cast(Any, layer)
        self.turned = not isinstance(layer, nn.Linear)
        weight = source.weight.detach().to(device)
        weight_OI = weight.t() if self.turned else weight
        self.out_features, self.in_features = weight_OI.shape
        self.dtype = weight.dtype
        codes, scales = nf4.encode(weight_OI.contiguous())
        self.weight = nn.Parameter(codes, requires_grad=False)
        self.register_buffer(SCALES, scales)
        bias = None if source.bias is None else source.bias.detach().to(device)
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias, False))

    def forward(self, input: Tensor) -> Tensor:
        """Return the layer's output in the format that is computed in."""
        if torch.is_autocast_enabled(input.device.type):
            input = input.to(torch.get_autocast_dtype(input.device.type))
        scales = cast(Tensor, getattr(self, SCALES))
        output: Tensor = nf4.product(input, self.weight, scales, self.bias, self.out_features)
        return output

    def plain_weight(self, codes: Tensor, scales: Tensor) -> Tensor:
        """Return codes of this layer, wherever they lie, as the weight it stands for."""
        shape = (self.out_features, self.in_features)
        weight_OI: Tensor = nf4.decode(codes, scales, *shape, self.dtype)
        return weight_OI.t().contiguous() if self.turned else weight_OI


def hold_in_four_bits(blocks: list[nn.Module], device: torch.device) -> int:
    """Put a `FourBitLinear` in the place of the blocks' linear layers; returns their weights.

    One layer after the other goes to `device`, so the whole model need never lie there.
    """
    held = 0
    for block in blocks:
        for parent in list(block.modules()):
            for name, layer in list(parent.named_children()):
                if is_linear(layer) and cast(Any, layer).weight.numel() % nf4.BLOCK == 0:
                    _draw(layer, device)
                    held += cast(Any, layer).weight.numel()
                    setattr(parent, name, FourBitLinear(layer, device))
    return held


def is_linear(layer: nn.Module) -> bool:
    """Whether a layer is torch's linear one, or GPT-2's with its weight turned over."""
    from transformers.pytorch_utils import Conv1D

    return type(layer) in (nn.Linear, Conv1D)


@contextmanager
def linear_layers_to_be_drawn() -> Iterator[None]:
    """Inside, linear layers are made without memory, for `hold_in_four_bits` to draw each."""
    from transformers.pytorch_utils import Conv1D

    usual = {kind: kind.__init__ for kind in (nn.Linear, Conv1D)}

    def weightless(make: Any) -> Any:
        def init(*arguments: Any, **settings: Any) -> None:
            with torch.device("meta"):
                make(*arguments, **settings)

        return init

    for kind, make in usual.items():
        kind.__init__ = weightless(make)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for kind, make in usual.items():
            kind.__init__ = make  # type: ignore[method-assign]


def draw_the_rest(model: nn.Module, device: torch.device) -> None:
    """Draw linear layers that are in no block, such as a head of its own."""
    for layer in model.modules():
        if is_linear(layer):
            _draw(layer, device)


def plain_weights(model: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return gathered weights with codes made numbers again, and their scales left out.

    Args:
        model: Whose weights they are; its own tensors are not read.
        weights: By name, from `gather_weights`.
    """
    plain = dict(weights)
    for name, layer in model.named_modules():
        if isinstance(layer, FourBitLinear):
            scales = plain.pop(f"{name}.{SCALES}")
            plain[f"{name}.weight"] = layer.plain_weight(plain[f"{name}.weight"], scales)
    return plain


def _draw(layer: nn.Module, device: torch.device, spread: float = 0.02) -> None:
    """Give a layer without memory its fresh weights: normal ones, biases of zero."""
    for name, parameter in list(layer.named_parameters(recurse=False)):
        if parameter.is_meta:
            fresh = torch.zeros_like(parameter, device=device)
            if name == "weight":
                fresh.normal_(std=spread)
            setattr(layer, name, nn.Parameter(fresh, requires_grad=parameter.requires_grad))
