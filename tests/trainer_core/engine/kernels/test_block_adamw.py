"""The optimizer: torch's protocol, states that come back, weights that keep moving."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.trainer_core.engine.small import save, small_model, states_of, train
from trainer_core.engine.checkpoint import (
    CheckpointError,
    latest_checkpoint,
    load_checkpoint,
)
from trainer_core.engine.kernels.adamw_step import update_plainly
from trainer_core.engine.kernels.block_adamw import BlockAdamW, update_for


def test_fp32_states_and_weights_are_torchs_adamw() -> None:
    torch.manual_seed(0)
    mine, theirs = (nn.Parameter(torch.linspace(-1, 1, 600)) for _ in range(2))
    own = BlockAdamW([mine], lr=1e-2, weight_decay=0.1, states="fp32")
    torchs = torch.optim.AdamW([theirs], lr=1e-2, betas=(0.9, 0.95), weight_decay=0.1)
    for _ in range(20):
        mine.grad = torch.randn(600)
        theirs.grad = mine.grad.clone()
        own.step()
        torchs.step()
    assert torch.allclose(mine, theirs, rtol=1e-5, atol=1e-7)


def test_small_steps_move_bf16_weights_on_average() -> None:
    weight = nn.Parameter(torch.ones(20_000, dtype=torch.bfloat16))
    optimizer = BlockAdamW([weight], lr=1e-4, weight_decay=0.0)
    for _ in range(20):
        weight.grad = torch.ones_like(weight)
        optimizer.step()
    assert float(weight.detach().float().mean()) == pytest.approx(1 - 20e-4, abs=2e-4)


def test_it_follows_the_protocol_of_fused_optimizers() -> None:
    weight = nn.Parameter(torch.ones(8))
    optimizer = BlockAdamW([weight], lr=0.1, states="fp32")
    weight.grad = torch.full((8,), 4.0)
    optimizer.found_inf, optimizer.grad_scale = torch.ones(()), torch.tensor(2.0)
    optimizer.step()
    assert torch.equal(weight.detach(), torch.ones(8))
    optimizer.found_inf = torch.zeros(())
    optimizer.step()
    assert (weight < 1).all()
    assert float(optimizer.gradient_norm()) == pytest.approx(4 * 8**0.5)


@pytest.mark.parametrize("states", ["fp8", "fp32"])
def test_a_checkpoint_brings_every_state_back(tmp_path: Path, states: str) -> None:
    model = small_model().bfloat16()
    optimizer = BlockAdamW(model.parameters(), lr=1e-3, states=states)  # type: ignore[arg-type]
    train(model, optimizer, 3)
    assert save(tmp_path, 3, model, optimizer) is None
    straight = train(model, optimizer, 3)
    again = small_model(seed=9).bfloat16()
    fresh = BlockAdamW(again.parameters(), lr=1e-3, states=states)  # type: ignore[arg-type]
    found = latest_checkpoint(tmp_path)
    assert found is not None
    load_checkpoint(found, model=again, optimizer=fresh)
    assert states_of(model, optimizer).keys() == states_of(again, fresh).keys()
    assert train(again, fresh, 3) == straight
    wrong = BlockAdamW(again.parameters(), lr=1e-3, states="fp32" if states == "fp8" else "fp8")
    with pytest.raises(CheckpointError, match="do not fit this run"):
        load_checkpoint(found, model=again, optimizer=wrong)


def test_a_cpu_steps_plainly() -> None:
    assert update_for(torch.device("cpu")) is update_plainly
