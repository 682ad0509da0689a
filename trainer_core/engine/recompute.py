"""Computing blocks again in the backward pass instead of keeping what they made."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from trainer_core.errors import UserError


def recompute_blocks(model: Any) -> None:
    """Keep only each block's input in the forward pass and compute the rest again in backward.

    Raises:
        UserError: If the architecture cannot.
    """
    if not getattr(model, "supports_gradient_checkpointing", True):
        raise UserError("this architecture cannot recompute its blocks; set recomputation to none")
    # transformers 5.23 renames what 5.17 has; both take the same settings.
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable({"use_reentrant": False})
    else:
        model.gradient_checkpointing_enable({"use_reentrant": False})


class MadeAgain(nn.Module):
    """An activation function whose output is not kept: it is cheap to make again from its input.

    Left alone the compiler keeps both, which is a quarter of what a GPT-2 block keeps.
    """

    def __init__(self, function: nn.Module) -> None:
        super().__init__()
        self.function = function

    def forward(self, hidden: Tensor) -> Any:
        """Return the function's output."""
        if not self.training:
            return self.function(hidden)
        return checkpoint(self.function, hidden, use_reentrant=False)


def make_activations_again(block: nn.Module) -> None:
    """Let a block's activation functions (transformers names them `act` or `act_fn`) keep nothing.

    Those that have weights are left as they are, since their names would change.
    """
    for module in list(block.modules()):
        for name in ("act", "act_fn"):
            function = getattr(module, name, None)
            if isinstance(function, nn.Module) and not list(function.parameters()):
                setattr(module, name, MadeAgain(function))
