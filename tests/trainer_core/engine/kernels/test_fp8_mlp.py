"""GPT-2's feed-forward part as one function: near bf16 both ways, plain when not training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from transformers import GPT2Config
from transformers.models.gpt2.modeling_gpt2 import GPT2MLP

from trainer_core.engine.kernels.fp8_linear import use_fp8
from trainer_core.engine.kernels.fp8_mlp import fuse_gelu


def part(activation: str) -> Any:
    torch.manual_seed(0)
    config = GPT2Config(n_embd=32, activation_function=activation, resid_pdrop=0.0)
    return GPT2MLP(128, config).bfloat16().train()


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    return ((one.float() - other.float()).norm() / other.float().norm()).item()


@pytest.mark.parametrize("keep_codes", [True, False])
@pytest.mark.parametrize("activation", ["gelu", "gelu_new"])
def test_output_and_gradients_are_near_bf16(activation: str, keep_codes: bool) -> None:
    module = part(activation)
    for layer in (module.c_fc, module.c_proj):
        nn.init.normal_(layer.weight, std=0.2)
        nn.init.normal_(layer.bias, std=0.2)
    inputs = torch.randn(2, 16, 32).bfloat16().requires_grad_()
    trained = [inputs, *module.parameters()]
    expected = module(inputs)
    gradient = torch.randn_like(expected)
    references = torch.autograd.grad(expected, trained, gradient)
    names = list(module.state_dict())
    block = nn.ModuleDict({"mlp": module})
    use_fp8(block)
    assert fuse_gelu(block, keep_codes=keep_codes) == 1
    assert list(module.state_dict()) == names
    found = module(inputs)
    assert difference(found, expected) < 0.07  # two products one after the other
    gradients = torch.autograd.grad(found, trained, gradient)
    assert max(map(difference, gradients, references)) < 0.12
    block.eval()
    assert torch.equal(module(inputs), expected)


@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_another_activation_is_left_alone(activation: str) -> None:
    block = nn.ModuleDict({"mlp": part(activation)})
    use_fp8(block)
    assert fuse_gelu(block, keep_codes=True) == 0
    assert type(block["mlp"]) is GPT2MLP


def test_layers_in_bf16_are_left_alone() -> None:
    block = nn.ModuleDict({"mlp": part("gelu")})
    assert fuse_gelu(block, keep_codes=True) == 0


def test_the_compiler_takes_it_whole_and_keeps_only_codes_and_input() -> None:
    """No bf16 output of GELU is among what the compiled block keeps for its backward pass."""
    from functorch.compile import make_boxed_func, min_cut_rematerialization_partition
    from torch._dynamo.backends.common import aot_autograd

    module = part("gelu")
    block = nn.ModuleDict({"mlp": module})
    use_fp8(block)
    fuse_gelu(block, keep_codes=False)
    wide: list[list[torch.dtype]] = []

    def look(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Any:
        (output,) = graph.graph.find_nodes(op="output")
        kept = [node.meta["val"] for node in output.args[0] if node is not None]
        wide.append([value.dtype for value in kept if tuple(value.shape) == (16, 128)])
        return make_boxed_func(graph.forward)

    backend = aot_autograd(fw_compiler=look, partition_fn=min_cut_rematerialization_partition)
    compiled = torch.compile(module, backend=backend, fullgraph=True)
    compiled(torch.randn(1, 16, 32).bfloat16().requires_grad_()).float().sum().backward()
    assert wide[0] == [torch.bfloat16]
