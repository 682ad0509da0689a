"""Weights that several ranks hold count once in the norm."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist

from trainer_core.engine.model import blocks_of
from trainer_core.engine.parallel.mesh import Mesh, place_of
from trainer_core.engine.parallel.norm import copies_of, norm_over_ranks
from trainer_core.engine.parallel.stages import keep_stage
from trainer_core.engine.parallel.tensor import split_tensors
from trainer_core.plan.degrees import Degrees


@pytest.mark.parametrize(
    "degrees",
    [
        Degrees(tensor=2),
        Degrees(stages=2, replicas=2),
        Degrees(tensor=2, shards=2, replicas=2, context=2),
    ],
)
def test_all_ranks_together_hold_every_weight_once(degrees, make_model, monkeypatch):
    whole = sum(weight.numel() for weight in make_model("gpt2").parameters())
    total = 0.0
    for rank in range(degrees.devices):
        mesh = Mesh(degrees=degrees, place=place_of(rank, degrees), tensor="group")
        model = make_model("gpt2")
        split_tensors(model, keep_stage(model, blocks_of(model), mesh), mesh)
        # FSDP would cut what is left among the ranks that share a copy.
        holders = degrees.shards * degrees.context if degrees.shards > 1 else 1
        total += sum(w.numel() / copies / holders for w, copies in copies_of(model, mesh))
    assert total == pytest.approx(whole)


def test_the_norm_is_that_of_all_gradients(monkeypatch):
    monkeypatch.setattr(dist, "all_reduce", lambda total: total.mul_(2))  # two like ranks
    halved, kept = (torch.nn.Parameter(torch.zeros(2)) for _ in range(2))
    halved.grad, kept.grad = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])
    unused = torch.nn.Parameter(torch.zeros(2))
    norm = norm_over_ranks([(halved, 2), (kept, 1), (unused, 1)])
    assert float(norm) == pytest.approx((9 + 32) ** 0.5)
