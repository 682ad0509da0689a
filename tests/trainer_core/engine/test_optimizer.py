"""The schedule, the clipping, and the step that is not taken."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer_core.engine.optimizer import (
    build_optimizer,
    gradient_norm,
    guarded_step,
    learning_rate_at,
    set_learning_rate,
)
from trainer_core.run.config.run_config import OptimizerConfig


def small_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.Linear(5, 3))


def backward(network, scale=1.0):
    (network(torch.ones(2, 6)).square().sum() * scale).backward()


def rates(schedule, total=10, warmup=2):
    config = OptimizerConfig(schedule=schedule, warmup_steps=warmup)
    return [
        learning_rate_at(step, config=config, learning_rate=1.0, total_steps=total)
        for step in range(1, total + 1)
    ]


def test_every_schedule_rises_and_ends_where_it_should():
    for schedule, last in (("cosine", 0.1), ("linear", 0.1), ("constant", 1.0)):
        found = rates(schedule)
        assert found[:3] == pytest.approx([1 / 3, 2 / 3, 1.0])
        assert found[-1] == pytest.approx(last)
        assert found[2:] == sorted(found[2:], reverse=True)


def test_cosine_and_linear_are_half_way_in_the_middle():
    assert rates("cosine", total=11, warmup=0)[5] == pytest.approx(0.55)
    assert rates("linear", total=11, warmup=0)[5] == pytest.approx(0.55)


def test_a_run_shorter_than_its_warmup_rises_to_its_end():
    assert rates("cosine", total=1, warmup=0) == [1.0]
    assert rates("cosine", total=3, warmup=4) == pytest.approx([0.2, 0.4, 0.6])


def test_only_matrices_decay():
    optimizer = build_optimizer(small_network(), OptimizerConfig(weight_decay=0.3), 0.1)
    decays = {
        p.dim(): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]
    }
    assert decays == {2: 0.3, 1: 0.0}


def test_frozen_weights_are_not_optimised():
    network = small_network()
    network[0].requires_grad_(False)
    optimizer = build_optimizer(network, OptimizerConfig(), 0.1)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for p in network[1:].parameters()}


@pytest.mark.parametrize("max_norm", [0.05, 1e6, 0.0])
def test_a_step_equals_clipping_and_plain_adamw(max_norm):
    ours, theirs = small_network(), small_network()
    config = OptimizerConfig()
    optimizer = build_optimizer(ours, config, 0.1)
    plain = torch.optim.AdamW(theirs.parameters(), lr=0.1, betas=(0.9, 0.95), weight_decay=0.0)
    for group in optimizer.param_groups:
        group["weight_decay"] = 0.0
    for _ in range(3):
        backward(ours)
        backward(theirs)
        norm = gradient_norm(ours.parameters())
        guarded_step(optimizer, torch.tensor(1.0), norm, max_norm)
        if max_norm:
            their_norm = torch.nn.utils.clip_grad_norm_(theirs.parameters(), max_norm)
            assert norm.item() == pytest.approx(their_norm.item(), rel=1e-6)
        plain.step()
        optimizer.zero_grad()
        plain.zero_grad()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_number_that_is_none_changes_no_weight(wrong, where):
    network = small_network()
    optimizer = build_optimizer(network, OptimizerConfig(), 0.1)
    backward(network)
    guarded_step(optimizer, torch.tensor(1.0), gradient_norm(network.parameters()), 1.0)
    before = [p.detach().clone() for p in network.parameters()]
    moments = [state["exp_avg"].clone() for state in optimizer.state.values()]
    optimizer.zero_grad()
    backward(network)
    if where == "gradient":
        network[0].weight.grad[0, 0] = wrong
    loss = torch.tensor(wrong if where == "loss" else 1.0)
    guarded_step(optimizer, loss, gradient_norm(network.parameters()), 1.0)
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    after = [state["exp_avg"] for state in optimizer.state.values()]
    assert all(torch.equal(a, b) for a, b in zip(moments, after, strict=True))
    assert {float(state["step"]) for state in optimizer.state.values()} == {1.0}


def test_the_rate_is_used_from_the_next_step_on():
    network = small_network()
    optimizer = build_optimizer(network, OptimizerConfig(), 0.1)
    set_learning_rate(optimizer, 0.0)
    before = [p.detach().clone() for p in network.parameters()]
    backward(network)
    guarded_step(optimizer, torch.tensor(1.0), gradient_norm(network.parameters()), 1.0)
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
