"""The CPU's GELU is torch's, values and slopes, in small pieces or not."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import gelu

from trainer_core.engine.kernels import gelu as gelu_module
from trainer_core.engine.kernels.gelu import CpuGelu


@pytest.mark.parametrize("chunk", [7, 1 << 16])
def test_values_and_slopes_are_those_of_the_tanh_form(chunk, monkeypatch):
    monkeypatch.setattr(gelu_module, "_CHUNK", chunk)
    torch.manual_seed(0)
    ours = (torch.randn(3, 5, 4) * 4).requires_grad_()
    exact = ours.detach().double().requires_grad_()
    direction = torch.randn(3, 4, 5).transpose(1, 2)
    output = CpuGelu()(ours)
    output.backward(direction)
    expected = gelu(exact, approximate="tanh")
    expected.backward(direction.double())
    assert torch.allclose(output.double(), expected, atol=1e-6)
    assert torch.allclose(ours.grad.double(), exact.grad, atol=2e-5)


def test_far_out_it_is_the_identity_or_nothing():
    output = CpuGelu()(torch.tensor([-60.0, 0.0, 60.0]))
    assert output.tolist() == [0.0, 0.0, 60.0]


def test_other_formats_take_torchs_own():
    values = torch.randn(4).to(torch.bfloat16)
    assert torch.equal(CpuGelu()(values), gelu(values, approximate="tanh"))


def test_without_a_backward_pass_the_values_are_the_same_bits(monkeypatch):
    monkeypatch.setattr(gelu_module, "_CHUNK", 7)
    torch.manual_seed(0)
    values = torch.randn(3, 5, 4) * 4
    assert torch.equal(CpuGelu()(values), CpuGelu()(values.clone().requires_grad_()))
