"""Whole tensors from sharded ones: two real processes save, one process reads it all back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch
from torch import nn
from transformers import GPT2LMHeadModel

from tests.trainer_core.engine.small import optimizer_of, small_model, states_of, train
from trainer_core.engine.checkpoint import latest_checkpoint, load_checkpoint
from trainer_core.engine.gather import gather_weights, named_weights

RANK_PROGRAM = """
import os, sys
from pathlib import Path
import torch
from trainer_core.engine import distributed
from trainer_core.engine.checkpoint import agreed_checkpoint, load_checkpoint
from trainer_core.engine.parallel.mesh import make_mesh
from trainer_core.plan.degrees import Degrees
from tests.trainer_core.engine.small import optimizer_of, save, small_model, train

world = distributed.read_world()
distributed.join(world, torch.device("cpu"))
model = small_model()
mesh = make_mesh(Degrees(shards=2), world.rank, torch.device("cpu")).holders
distributed.shard(model, list(model.transformer.h), mesh=mesh, compute_dtype=torch.float32)
optimizer = optimizer_of(model)
train(model, optimizer, 2)
run = Path(sys.argv[1])
assert save(run, 2, model, optimizer, world=world) is None
straight = train(model, optimizer, 2)
again = small_model(seed=5)
distributed.shard(again, list(again.transformer.h), mesh=mesh, compute_dtype=torch.float32)
fresh = optimizer_of(again)
load_checkpoint(agreed_checkpoint(run, world), model=again, optimizer=fresh, rank=world.rank)
resumed = train(again, fresh, 2)
assert straight == resumed, (straight, resumed)
distributed.leave()
"""


def test_two_sharded_ranks_save_what_one_rank_reads(tmp_path: Path) -> None:
    """The same steps on one rank give the same weights; sharded resume is exact too."""
    environment = {
        **os.environ,
        "WORLD_SIZE": "2",
        "MOAI_TUI_RENDEZVOUS": str(tmp_path / "meet"),
        "OMP_NUM_THREADS": "1",
    }
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK_PROGRAM, str(tmp_path)],
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    assert [rank.wait(timeout=120) for rank in ranks] == [0, 0]

    alone = small_model()
    optimizer = optimizer_of(alone)
    train(alone, optimizer, 2)
    read = small_model(seed=7)
    fresh = optimizer_of(read)
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert found.world_size == 2
    model = GPT2LMHeadModel.from_pretrained(found.path)  # two files and their index
    torch.testing.assert_close(model.lm_head.weight, alone.lm_head.weight, rtol=1e-5, atol=1e-6)
    load_checkpoint(found, model=read, optimizer=fresh)
    for (name, one), (_, other) in zip(named_weights(alone), named_weights(read), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6, msg=name)
    wanted, got = states_of(alone, optimizer), states_of(read, fresh)
    assert sorted(wanted) == sorted(got)
    for name, state in wanted.items():
        torch.testing.assert_close(state, got[name], rtol=1e-4, atol=1e-7, msg=name)


def test_names_are_those_of_a_plain_model() -> None:
    """Neither a compiled block nor a data-parallel wrapper shows in a checkpoint."""
    model = nn.Sequential(nn.Linear(2, 2))
    model[0] = torch.compile(model[0])  # type: ignore[assignment]
    assert sorted(gather_weights(model, 0)) == ["0.bias", "0.weight"]
    assert gather_weights(model, 1) == {}
