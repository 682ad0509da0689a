"""On a card: every kernel gives its plain twin's numbers, and the fast path its products'."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer_core.engine.kernels import adamw_step, fp8_cast, gelu_codes
from trainer_core.engine.kernels.adamw_step import (
    SLOTS,
    Moments,
    Signals,
    StepSettings,
    keys_of,
    update_plainly,
)
from trainer_core.engine.kernels.block_adamw import BlockAdamW, update_for
from trainer_core.engine.kernels.block_codes import blocks_of, encode, random_bits, round_to_bf16
from trainer_core.engine.kernels.fp8_linear import products_in_fp8_work, use_fp8
from trainer_core.engine.kernels.fp8_mlp import fuse_gelu
from trainer_core.engine.kernels.norm_estimate import NormEstimate, after_for, after_plainly
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


NEAR = 2e-6
"""Share of the operands that the kernel's fp32 numbers may be off by: it takes reciprocals where
its twin divides, and joins products with sums."""


@pytest.mark.parametrize("eight_bit", [True, False])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_the_optimizer_kernel_steps_as_its_twin(dtype: torch.dtype, eight_bit: bool) -> None:
    """Every weight and state is what rounding gives for a number within NEAR of the twin's."""
    torch.manual_seed(0)
    weight = (torch.randn(999, 257, device=CARD) * 0.02).to(dtype)
    moments = Moments.zeros(weight, eight_bit=eight_bit)
    for step in range(1, 6):
        # Squares of smaller ones are below fp32's normal numbers: roots of 0 in the kernel.
        size = (torch.rand_like(weight) ** 4).clamp_min(1e-12)
        gradient = torch.randn_like(weight) * size
        low = rounded_from(weight, moments, gradient, settings(step), -NEAR)
        high = rounded_from(weight, moments, gradient, settings(step), NEAR)
        other, others = weight.clone(), copy_of(moments)
        signals = [Signals.at_rest(CARD) for _ in range(2)]
        update_plainly(weight, gradient, moments, signals[0], settings(step))
        update_for(CARD)(other, gradient, others, signals[1], settings(step))
        found = (other.float(), comparable(others.average), others.root.float())
        for number, least, most in zip(found, low, high, strict=True):
            assert (number >= least.view_as(number)).all()
            assert (number <= most.view_as(number)).all()
        if eight_bit:
            # So few that only edges between two codes can be behind them.
            assert (moments.average != others.average).float().mean() < 3e-4
            assert (moments.root != others.root).float().mean() < 3e-4
        norms = [float(signal.squared_norm.sum()) for signal in signals]
        assert norms[1] == pytest.approx(norms[0], rel=1e-6)


def copy_of(moments: Moments) -> Moments:
    fields = {field: getattr(moments, field) for field in Moments.__slots__}
    return Moments(**{field: None if t is None else t.clone() for field, t in fields.items()})


def comparable(average: torch.Tensor) -> torch.Tensor:
    """Return first moments, or their codes as numbers that rise with what they stand for."""
    if average.dtype != torch.uint8:
        return average
    return torch.where(average >= 0x80, -1.0, 1.0) * (average & 0x7F).float()


def rounded_from(
    weight: torch.Tensor, moments: Moments, gradient: torch.Tensor, step: StepSettings, near: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return weight and both states after a step, each moved by a share before it is rounded."""
    given, eight_bit = gradient.reshape(-1).float(), moments.average_scale is not None
    average, second = adamw_step._moments_after(moments, given, step)
    positive = copy_of(moments)
    positive.average.copy_(positive.average & 0x7F if eight_bit else positive.average.abs())
    # A difference of two numbers is as far off as they are, however small it is itself.
    reach, _ = adamw_step._moments_after(positive, given.abs(), step)
    root = second.sqrt()
    divisor = root / step.correction2 + step.epsilon
    most = step.learning_rate * (reach / step.correction1 / divisor).clamp_max(10 * step.bound)
    quotient = (average / step.correction1 / divisor).clamp(-step.bound, step.bound)
    kept = weight.reshape(-1).float() * (1 - step.learning_rate * step.weight_decay)
    updated = kept - step.learning_rate * quotient + near * (kept.abs() + 2 * most)
    random = random_bits(updated.numel(), step.keys, weight.device)
    if weight.dtype == torch.bfloat16:
        updated = round_to_bf16(updated, random & 0xFFFF).float()
    if not eight_bit:
        return updated, average + near * reach, second * (1 + near)
    scales = [blocks_of(average.abs()).amax(1) / 448, blocks_of(root).amax(1) / 496]
    average = average + 2 * near * reach
    codes = encode(adamw_step._unscaled(average.abs(), scales[0]), random >> 16 & 0xFF, mantissa=3)
    roots = adamw_step._unscaled(root * (1 + 2 * near), scales[1])
    root_codes = encode(roots, random >> 24, mantissa=4)
    root_codes = torch.where(root > 0, root_codes.clamp_min(1), root_codes)
    return updated, torch.where(average < 0, -1.0, 1.0) * codes, root_codes.float()


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


def test_the_norm_is_estimated_as_by_its_twin() -> None:
    torch.manual_seed(0)
    parts = torch.rand(6, 9, dtype=torch.float64, device=CARD) * 10.0 ** torch.arange(
        6, device=CARD
    ).view(6, 1)
    parts[4, 5:] = float("nan")
    found = []
    for after in (after_plainly, after_for(CARD)):
        assert (after is after_plainly) == (not found)
        squares = torch.zeros(SLOTS, dtype=torch.float64, device=CARD)
        divisor = torch.ones((), device=CARD)
        usual = [torch.zeros((), device=CARD) for _ in range(9)]
        estimate = NormEstimate(0.7, squares=squares, divisor=divisor)
        estimate._after = after
        for step in range(6):
            squares.zero_()
            estimate.begin(usual)
            for place in range(9):
                squares[17 * place] += parts[step, place]
                estimate.after(usual[place])
                found.append(divisor.clone())
        found += usual
    half = len(found) // 2
    assert torch.allclose(
        torch.stack(found[:half]), torch.stack(found[half:]), rtol=1e-5, equal_nan=True
    )


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


@pytest.mark.parametrize("approximation", ["none", "tanh"])
def test_gelu_and_its_gradient_are_those_in_fp64(approximation: str) -> None:
    torch.manual_seed(0)
    hidden = (torch.randn(1040, 272, device=CARD) * 2).bfloat16()
    gradient = torch.randn_like(hidden)
    exact = hidden.double().requires_grad_()
    output = nn.functional.gelu(exact, approximate=approximation)
    output.backward(gradient.double())
    codes, dtype = output.detach(), torch.float8_e4m3fn
    scale = fp8_cast.scale_of(gelu_codes.largest_after_gelu(hidden, approximation), dtype)
    rows, columns = gelu_codes.gelu_both(hidden, scale, dtype, approximation)
    assert torch.equal(columns.float(), rows.float().t())
    error = (rows.double() * scale - codes).abs()
    assert (error <= 1.0001 * (codes.abs() / 16 + scale * 2**-10)).all()
    found, largest, again = gelu_codes.gelu_backward_and_codes(
        gradient, hidden, approximation, scale, dtype
    )
    assert torch.equal(again.float(), columns.float())
    assert ((found - exact.grad).abs() <= exact.grad.abs() * 2**-8 + 1e-6).all()
    assert float(largest) == float(found.abs().max())


@pytest.mark.parametrize("keep_codes", [True, False])
def test_the_fused_part_is_near_its_layers_in_bf16(keep_codes: bool) -> None:
    if not products_in_fp8_work(CARD):
        pytest.skip("this card has no fp8 products")
    from transformers import GPT2Config
    from transformers.models.gpt2.modeling_gpt2 import GPT2MLP

    torch.manual_seed(0)
    config = GPT2Config(n_embd=256, activation_function="gelu", resid_pdrop=0.0)
    module = GPT2MLP(1024, config).to(CARD, torch.bfloat16).train()
    for layer in (module.c_fc, module.c_proj):
        nn.init.normal_(layer.weight, std=0.06)
        nn.init.normal_(layer.bias, std=0.06)
    inputs = torch.randn(2, 64, 256, device=CARD, dtype=torch.bfloat16, requires_grad=True)
    trained = [inputs, *module.parameters()]
    expected = module(inputs)
    gradient = torch.randn_like(expected)
    references = torch.autograd.grad(expected, trained, gradient)
    block = nn.ModuleDict({"mlp": module})
    use_fp8(block)
    assert fuse_gelu(block, keep_codes=keep_codes) == 1
    found = torch.compile(module)(inputs)
    assert (found - expected).norm() / expected.norm() < 0.07
    for one, other in zip(torch.autograd.grad(found, trained, gradient), references, strict=True):
        assert (one - other).norm() / other.norm() < 0.12


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
