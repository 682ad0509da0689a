"""On a card: every kernel gives its plain twin's numbers, and the fast path its products'."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer_core.engine.kernels import fp8_cast
from trainer_core.engine.kernels.adamw_step import (
    Moments,
    Signals,
    StepSettings,
    keys_of,
    update_plainly,
)
from trainer_core.engine.kernels.block_adamw import BlockAdamW, update_for
from trainer_core.engine.kernels.fp8_linear import products_in_fp8_work, use_fp8
from trainer_core.engine.loss import token_loss_sum

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a card"),
]

CARD = torch.device("cuda")


def settings(step: int) -> StepSettings:
    return StepSettings(
        learning_rate=1e-3,
        weight_decay=0.1,
        beta1=0.9,
        beta2=0.95,
        epsilon=1e-8,
        step=step,
        keys=keys_of(0, 3, step),
    )


@pytest.mark.parametrize("eight_bit", [True, False])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_the_optimizer_kernel_steps_as_its_twin(dtype: torch.dtype, eight_bit: bool) -> None:
    torch.manual_seed(0)
    one = (torch.randn(999, 257, device=CARD) * 0.02).to(dtype)
    other = one.clone()
    states = [Moments.zeros(one, eight_bit=eight_bit) for _ in range(2)]
    signals = [Signals.at_rest(CARD) for _ in range(2)]
    for step in range(1, 6):
        gradient = torch.randn_like(one) * torch.rand_like(one) ** 4
        update_plainly(one, gradient, states[0], signals[0], settings(step))
        update_for(CARD)(other, gradient, states[1], signals[1], settings(step))
    assert (one != other).float().mean() < (0.01 if dtype == torch.bfloat16 else 1.0)
    # A code on the edge of two may fall either way, and moves that element's later steps a little.
    assert ((one - other).abs().float() > 1e-5 + 1e-2 * one.abs().float()).float().mean() < 0.01
    if eight_bit:
        assert (states[0].average != states[1].average).float().mean() < 0.01
        assert (states[0].root != states[1].root).float().mean() < 0.01
    else:
        assert torch.allclose(states[0].average, states[1].average, rtol=1e-4, atol=1e-7)
    norms = [float(signal.squared_norm.sum()) for signal in signals]
    assert norms[1] == pytest.approx(norms[0], rel=1e-6)


def test_a_gradient_that_is_no_number_freezes_what_follows() -> None:
    weights = [nn.Parameter(torch.ones(4096, device=CARD, dtype=torch.bfloat16)) for _ in range(2)]
    optimizer = BlockAdamW(weights, lr=0.1)
    bad = torch.ones(4096, device=CARD, dtype=torch.bfloat16)
    bad[7] = float("nan")
    optimizer.begin()
    optimizer.step_one(weights[0], bad)
    optimizer.step_one(weights[1], torch.ones_like(bad))
    assert torch.equal(weights[1].detach(), torch.ones_like(bad))
    assert not torch.isfinite(optimizer.gradient_norm())


@pytest.mark.parametrize("dtype", list(fp8_cast.LARGEST))
def test_casts_are_exact_both_ways(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    values = torch.randn(1040, 272, device=CARD, dtype=torch.bfloat16)
    scale = fp8_cast.scale_of(fp8_cast.largest_magnitude(values), dtype)
    expected = (values.float() * (1.0 / scale)).to(dtype).float()
    rows, columns, sums = fp8_cast.cast_both_and_sum(values, scale, dtype)
    assert torch.equal(rows.float(), expected)
    assert torch.equal(columns.float(), expected.t())
    assert torch.allclose(sums, values.float().sum(0), atol=1e-3)


@pytest.mark.parametrize("vocabulary", [257, 50257])
def test_the_loss_is_that_of_whole_logits_in_fp32(vocabulary: int) -> None:
    torch.manual_seed(0)
    hidden = torch.randn(700, 64, device=CARD, dtype=torch.bfloat16, requires_grad=True)
    weight = (torch.randn(vocabulary, 64, device=CARD) * 0.2).bfloat16().requires_grad_()
    labels = torch.randint(0, vocabulary, (700,), device=CARD)
    labels[::5] = -100
    exact = [tensor.detach().float().requires_grad_() for tensor in (hidden, weight)]
    logits = exact[0] @ exact[1].t()
    nn.functional.cross_entropy(logits, labels, ignore_index=-100, reduction="sum").backward()
    for chunk in (None, 256):
        hidden.grad = weight.grad = None
        token_loss_sum(hidden, weight, labels, chunk=chunk).backward()
        for found, reference in zip((hidden, weight), exact, strict=True):
            difference = (found.grad.float() - reference.grad).norm() / reference.grad.norm()
            assert difference < 1e-2


@pytest.mark.parametrize("keep_codes", [True, False])
def test_fp8_products_are_near_those_in_bf16(keep_codes: bool) -> None:
    if not products_in_fp8_work(CARD):
        pytest.skip("this card has no fp8 products")
    from transformers.pytorch_utils import Conv1D

    torch.manual_seed(0)
    for layer in (nn.Linear(256, 384), Conv1D(384, 256)):
        block = nn.ModuleDict({"c_proj": layer.to(CARD, torch.bfloat16)}).train()
        inputs = torch.randn(2, 64, 256, device=CARD, dtype=torch.bfloat16, requires_grad=True)
        trained = [inputs, layer.weight, layer.bias]
        expected = layer(inputs)
        gradient = torch.randn_like(expected)
        references = torch.autograd.grad(expected, trained, gradient)
        assert use_fp8(block, keep_codes=keep_codes) == 1
        found = block["c_proj"](inputs)
        assert (found - expected).norm() / expected.norm() < 0.05
        for one, other in zip(
            torch.autograd.grad(found, trained, gradient), references, strict=True
        ):
            assert (one - other).norm() / other.norm() < 0.08
