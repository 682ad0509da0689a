"""What is computed again gives the same numbers, and keeps less."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from trainer_core.engine.recompute import MadeAgain, make_activations_again, recompute_blocks
from trainer_core.errors import UserError


@pytest.mark.parametrize("kind", ["gpt2", "Llama"])
def test_activations_made_again_change_no_gradient(
    kind: str, make_model: Callable[..., Any], take_gradients: Callable[..., Any]
) -> None:
    model = make_model(kind).train()
    names = list(model.state_dict())
    ids = torch.arange(12)[None]

    def step() -> dict[str, torch.Tensor]:
        model(input_ids=ids, document_lengths=(12,)).logits.square().sum().backward()
        found: dict[str, torch.Tensor] = take_gradients(model)
        return found

    before = step()
    for block in model.modules():
        if type(block).__name__ in ("GPT2Block", "LlamaDecoderLayer"):
            make_activations_again(block)
    assert sum(isinstance(module, MadeAgain) for module in model.modules()) == 2
    after = step()
    assert list(model.state_dict()) == names
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_an_activation_with_weights_keeps_its_place() -> None:
    block = nn.Module()
    block.act = nn.PReLU()
    make_activations_again(block)
    assert isinstance(block.act, nn.PReLU)


def test_an_architecture_that_cannot_says_so() -> None:
    class Stubborn:
        supports_gradient_checkpointing = False

    with pytest.raises(UserError, match="set recomputation to none"):
        recompute_blocks(Stubborn())
