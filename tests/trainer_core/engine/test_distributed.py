"""One rank needs no group; contradictions are said; reductions are sums."""

from __future__ import annotations

import os

import pytest
import torch
import torch.distributed as dist

from trainer_core.engine import distributed
from trainer_core.errors import UserError

CPU = torch.device("cpu")


def set_world(monkeypatch, rank, size, local_rank=0):
    for name, value in (("RANK", rank), ("WORLD_SIZE", size), ("LOCAL_RANK", local_rank)):
        monkeypatch.setenv(name, str(value))


def test_without_variables_there_is_one_rank_that_leads():
    world = distributed.read_world()
    assert (world.rank, world.size, world.leads) == (0, 1, True)


def test_torchruns_variables_are_read(monkeypatch):
    set_world(monkeypatch, 3, 4, local_rank=1)
    world = distributed.read_world()
    assert (world.rank, world.local_rank, world.size, world.leads) == (3, 1, 4, False)


@pytest.mark.parametrize(("rank", "size"), [("4", "4"), ("-1", "2"), ("x", "2")])
def test_variables_that_contradict_each_other_are_refused(rank, size, monkeypatch):
    set_world(monkeypatch, rank, size)
    with pytest.raises(UserError, match="WORLD_SIZE"):
        distributed.read_world()


def test_several_ranks_without_a_meeting_point_are_refused():
    with pytest.raises(UserError, match="torchrun"):
        distributed.join(distributed.World(rank=0, size=2), CPU)


def test_on_one_rank_everything_is_itself_and_no_group_is_formed():
    distributed.join(distributed.World(), CPU)
    assert not dist.is_initialized()
    distributed.barrier()
    assert distributed.all_agree(True)
    assert not distributed.all_agree(False)
    assert distributed.sum_over_ranks(5) == 5
    assert distributed.largest_over_ranks((True, 0, 7)) == (1, 0, 7)
    assert float(distributed.reduce_sum(torch.tensor(2.5))) == 2.5
    distributed.leave()


def test_ranks_of_one_host_meet_on_loopback(monkeypatch, tmp_path):
    monkeypatch.setenv("MOAI_TUI_RENDEZVOUS", str(tmp_path / "meet"))
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    asked = {}
    monkeypatch.setattr(dist, "init_process_group", lambda **settings: asked.update(settings))
    distributed.join(distributed.World(rank=1, size=2), CPU)
    assert asked["init_method"] == f"file://{tmp_path}/meet"
    assert (asked["rank"], asked["world_size"], asked["backend"]) == (1, 2, "gloo")
    assert os.environ["GLOO_SOCKET_IFNAME"] == "lo"
    monkeypatch.delenv("MOAI_TUI_RENDEZVOUS")
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.1")
    distributed.join(distributed.World(rank=1, size=2), CPU)
    assert asked["init_method"] == "env://"
