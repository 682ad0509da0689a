"""The estimated norm of a step: near the true one, before it is known, also where it jumps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trainer_core.engine.kernels.norm_estimate import NormEstimate, after_for, after_plainly

SHARES = torch.tensor([0.01, *[0.05] * 9, 0.54], dtype=torch.float64)
"""Of the squared norm, in the order in which gradients come: a norm, blocks, an embedding."""


class Steps:
    """Gradients that come one by one, and the divisor each of them is met with."""

    def __init__(self, max_norm: float = 1.0) -> None:
        self.squares = torch.zeros(256, dtype=torch.float64)
        self.divisor = torch.ones(())
        self.usual = [torch.zeros(()) for _ in SHARES]
        self.estimate = NormEstimate(max_norm, squares=self.squares, divisor=self.divisor)

    def step(self, norm: float) -> Tensor:
        """Return what the gradients of a step with this norm are divided by."""
        self.squares.zero_()
        self.estimate.begin(self.usual)
        found = []
        for share, usual in zip(SHARES, self.usual, strict=True):
            found.append(self.divisor.clone())
            self.squares[7] += share * norm**2
            self.estimate.after(usual)
        return torch.stack(found)


def test_steady_gradients_are_clipped_as_by_the_norm_itself() -> None:
    steps = Steps(max_norm=0.5)
    steps.step(3.0)
    assert torch.allclose(steps.step(3.0), torch.tensor(6.0), rtol=1e-5)
    assert float(steps.divisor) == pytest.approx(6.0)


def test_small_gradients_are_left_alone() -> None:
    steps = Steps()
    steps.step(0.4)
    assert torch.equal(steps.step(0.7), torch.ones(len(SHARES)))


def test_an_outlier_is_seen_with_the_first_tensors_and_soon_forgotten() -> None:
    steps = Steps()
    for _ in range(5):
        steps.step(2.0)
    divisors = steps.step(20.0)
    assert float(divisors[1]) > 5
    assert (divisors[3:] > 15).all()
    assert (divisors <= 20.01).all()
    after = steps.step(2.0)
    assert (after < 3).all()
    for _ in range(12):
        after = steps.step(2.0)
    assert torch.allclose(after, torch.tensor(2.0), rtol=0.05)


def test_a_gradient_that_is_no_number_leaves_no_trace() -> None:
    steps = Steps()
    steps.step(2.0)
    before = [usual.clone() for usual in steps.usual]
    assert torch.equal(steps.step(float("nan"))[1:], torch.ones(len(SHARES) - 1))
    assert torch.equal(torch.stack(before), torch.stack(steps.usual))
    assert torch.allclose(steps.step(2.0), torch.tensor(2.0), rtol=1e-5)


def test_a_cpu_reckons_plainly() -> None:
    assert after_for(torch.device("cpu")) is after_plainly
