"""Layers in fp8: near bf16 both ways, under their own names, plain when not training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from trainer_core.engine.kernels.fp8_linear import products_in_fp8_work, use_fp8


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    return ((one.float() - other.float()).norm() / other.float().norm()).item()


@pytest.mark.parametrize("keep_codes", [True, False])
@pytest.mark.parametrize("make", [lambda: nn.Linear(64, 96), lambda: Conv1D(96, 64)])
def test_output_and_gradients_are_near_bf16(
    make: Callable[[], nn.Module], keep_codes: bool
) -> None:
    torch.manual_seed(0)
    layer = make().bfloat16()
    block = nn.ModuleDict({"c_proj": layer}).train()
    inputs = torch.randn(2, 16, 64).bfloat16().requires_grad_()
    trained = [inputs, *layer.parameters()]
    expected = layer(inputs)
    gradient = torch.randn_like(expected)
    references = torch.autograd.grad(expected, trained, gradient)
    names = list(block.state_dict())
    assert use_fp8(block, keep_codes=keep_codes) == 1
    assert list(block.state_dict()) == names
    found = layer(inputs)
    assert difference(found, expected) < 0.05
    gradients = torch.autograd.grad(found, trained, gradient)
    assert max(map(difference, gradients, references)) < 0.08
    block.eval()
    assert torch.equal(layer(inputs), expected)


@pytest.mark.parametrize("make", [lambda: nn.Linear(64, 96), lambda: Conv1D(96, 64)])
def test_a_frozen_weight_keeps_no_input_and_gives_its_gradient(
    make: Callable[[], nn.Module],
) -> None:
    """Beside adapters: fp32 activations under autocast, one gradient, nothing kept of the input."""
    torch.manual_seed(0)
    layer = make().bfloat16().requires_grad_(False)
    block = nn.ModuleDict({"base_layer": layer}).train()
    inputs = torch.randn(2, 16, 64).requires_grad_()
    gradient = torch.randn(2, 16, 96).bfloat16()
    kept: list[tuple[int, ...]] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tuple(tensor.shape))
        return tensor

    with torch.autocast("cpu", torch.bfloat16):
        expected = layer(inputs)
        (reference,) = torch.autograd.grad(expected, inputs, gradient)
        assert use_fp8(block) == 1
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            found = layer(inputs)
        (ours,) = torch.autograd.grad(found, inputs, gradient)
    assert found.dtype == torch.bfloat16
    assert not torch.equal(found, expected)
    assert difference(found, expected) < 0.05
    assert difference(ours, reference) < 0.08
    assert set(kept) == {tuple(cast(Any, layer).weight.shape), ()}


def test_adapters_themselves_are_left_alone() -> None:
    adapters = nn.ModuleDict({"default": nn.Linear(64, 16, bias=False)})
    block = nn.ModuleDict({"base_layer": nn.Linear(64, 64), "lora_A": adapters})
    assert use_fp8(nn.ModuleDict({"c_attn": block})) == 1
    assert type(adapters["default"]) is nn.Linear


def test_what_does_not_fit_is_left_alone() -> None:
    block = nn.ModuleList([nn.Linear(64, 10), nn.LayerNorm(64), nn.Linear(64, 64)]).bfloat16()
    assert use_fp8(block) == 1
    odd = torch.randn(1, 7, 64).bfloat16()
    expected = nn.functional.linear(odd, block[2].weight, block[2].bias)
    assert torch.equal(block.train()[2](odd), expected)


def test_layers_that_read_the_same_input_cast_it_once(make_model: Callable[..., Any]) -> None:
    """The compiled graph of a Llama block has 4 casts of activations and 7 of weights, not 14."""
    from functorch.compile import make_boxed_func, min_cut_rematerialization_partition
    from torch._dynamo.backends.common import aot_autograd

    model = make_model("Llama").bfloat16().train()
    block = model.model.layers[0]
    assert use_fp8(block) == 7
    casts: list[int] = []

    def count(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Any:
        casts.append(sum("cast" in str(node.target) for node in graph.graph.nodes))
        return make_boxed_func(graph.forward)

    block.compile(
        backend=aot_autograd(fw_compiler=count, partition_fn=min_cut_rematerialization_partition)
    )
    ids = torch.arange(16)[None]
    model(input_ids=ids, position_ids=ids, document_lengths=(16,)).logits.sum().backward()
    assert casts[0] == 11


def test_a_cpu_has_no_fp8_products() -> None:
    assert not products_in_fp8_work(torch.device("cpu"))
