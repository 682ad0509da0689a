"""One step against AdamW in fp64, and what keeps it sane."""

from __future__ import annotations

import math

import pytest
import torch

from trainer_core.engine.kernels.adamw_step import (
    Moments,
    Signals,
    StepSettings,
    keys_of,
    update_plainly,
)

CPU = torch.device("cpu")
N = 8192


def settings(step: int, **changes: float) -> StepSettings:
    numbers = {"learning_rate": 1e-3, "weight_decay": 0.0, "beta1": 0.9, "beta2": 0.95}
    return StepSettings(
        **{**numbers, "epsilon": 1e-8, **changes}, step=step, keys=keys_of(0, 1, step)
    )


def way_of(dtype: torch.dtype, *, eight_bit: bool, steps: int = 100) -> tuple[float, float]:
    """Return how far the way of the weights is from that in fp64, and how long it is beside it."""
    torch.manual_seed(0)
    weight = (torch.randn(N) * 0.02).to(dtype)
    exact = weight.double().clone()
    start, average, second = exact.clone(), torch.zeros_like(exact), torch.zeros_like(exact)
    moments, signals = Moments.zeros(weight, eight_bit=eight_bit), Signals.at_rest(CPU)
    sizes, means = (torch.rand(N) * 12 - 12).exp2(), torch.randn(N) * 0.3
    for step in range(1, steps + 1):
        gradient, now = (torch.randn(N) + means) * sizes, settings(step)
        update_plainly(weight, gradient, moments, signals, now)
        average = 0.9 * average + 0.1 * gradient
        second = 0.95 * second + 0.05 * gradient.double() ** 2
        root = second.sqrt() / now.correction2
        exact -= now.learning_rate * average / now.correction1 / (root + 1e-8)
    went, should = weight.double() - start, exact - start
    slope = float((went * should).sum() / should.square().sum())
    return float((went - should).norm() / should.norm()), slope


@pytest.mark.parametrize(
    ("dtype", "eight_bit", "most"),
    [
        (torch.float32, False, 1e-5),
        (torch.float32, True, 0.08),
        (torch.bfloat16, False, 0.06),
        (torch.bfloat16, True, 0.10),
    ],
)
def test_it_goes_where_adamw_in_fp64_goes(dtype: torch.dtype, eight_bit: bool, most: float) -> None:
    difference, slope = way_of(dtype, eight_bit=eight_bit)
    assert difference < most
    assert slope == pytest.approx(1, abs=0.01)


def test_a_root_without_gradients_decays_instead_of_sticking() -> None:
    weight = torch.zeros(N)
    moments, signals = Moments.zeros(weight, eight_bit=True), Signals.at_rest(CPU)
    gradient = torch.ones(N)
    update_plainly(weight, gradient, moments, signals, settings(1))
    gradient[1:] = 0.0
    for step in range(2, 42):
        gradient[::256] = 1.0  # keeps each block's scale where it is
        update_plainly(weight, gradient, moments, signals, settings(step))
    assert moments.root_scale is not None
    from trainer_core.engine.kernels.block_codes import decode

    roots = decode(moments.root, mantissa=4) * moments.root_scale.repeat_interleave(256)
    quiet = torch.ones(N, dtype=torch.bool)
    quiet[::256] = False
    expected = math.sqrt(0.05 * 0.95**40)
    assert float(roots[quiet].mean()) == pytest.approx(expected, rel=0.03)


def test_no_update_is_larger_than_adamw_can_make_it() -> None:
    weight = torch.zeros(512)
    moments, signals = Moments.zeros(weight, eight_bit=True), Signals.at_rest(CPU)
    for step in range(1, 30):
        before = weight.clone()
        gradient = torch.randn(512) * 10.0 ** float(torch.randint(-6, 3, ()))
        now = settings(step)
        update_plainly(weight, gradient, moments, signals, now)
        assert float((weight - before).abs().max()) <= now.learning_rate * now.bound * 1.001
    assert settings(1).bound == pytest.approx(1.165, abs=1e-3)
    assert settings(1, beta1=0.99, beta2=0.9).bound == 10.0


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_no_number_freezes(bad: float) -> None:
    weight = torch.ones(300)
    moments, signals = Moments.zeros(weight, eight_bit=True), Signals.at_rest(CPU)
    gradient = torch.ones(300)
    gradient[5] = bad
    update_plainly(weight, gradient, moments, signals, settings(1))
    update_plainly(weight, torch.ones(300), moments, signals, settings(2))
    assert torch.equal(weight, torch.ones(300))
    assert float(signals.frozen) == 1.0


def test_the_divisor_and_the_norm() -> None:
    weights = [torch.ones(10), torch.ones(10)]
    signals = Signals.at_rest(CPU)
    update_plainly(
        weights[0], torch.full((10,), 3.0), Moments.zeros(weights[0], eight_bit=False), signals,
        settings(1, epsilon=1.0),
    )  # fmt: skip
    assert float(signals.squared_norm.sum()) == 90.0
    signals.divisor.fill_(3.0)
    update_plainly(
        weights[1], torch.full((10,), 9.0), Moments.zeros(weights[1], eight_bit=False), signals,
        settings(1, epsilon=1.0),
    )  # fmt: skip
    assert torch.equal(weights[0], weights[1])


def test_keys_never_repeat() -> None:
    keys = {
        keys_of(seed, tensor, step)
        for seed in range(4)
        for tensor in range(50)
        for step in range(50)
    }
    assert len(keys) == 4 * 50 * 50
    assert all(0 <= word < 2**32 for pair in keys for word in pair)
