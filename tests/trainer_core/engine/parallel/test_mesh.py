"""Ranks stand where the plan's formula puts them, and know who holds what they hold."""

from __future__ import annotations

import torch

from trainer_core.engine.parallel.mesh import Mesh, make_mesh, place_of
from trainer_core.plan.degrees import Degrees

ALL = Degrees(stages=2, replicas=2, shards=3, context=2, tensor=2)


def test_a_rank_stands_where_the_formula_says():
    for rank in range(ALL.devices):
        place = place_of(rank, ALL)
        replica, shard = divmod(place.data, ALL.shards)
        row = (place.stage * ALL.replicas + replica) * ALL.shards + shard
        assert (row * ALL.context + place.context) * ALL.tensor + place.tensor == rank


def test_a_stage_is_a_block_of_ranks_and_its_ends_know_it():
    first, last = (Mesh(degrees=ALL, place=place_of(rank, ALL)) for rank in (23, 24))
    assert first.ranks_of_stage == tuple(range(24))
    assert last.ranks_of_stage == tuple(range(24, 48))
    assert (first.is_first, first.is_last) == (True, False)
    assert (last.is_first, last.is_last) == (False, True)
    assert last.has_whole_rows
    assert not first.has_whole_rows


def test_one_rank_has_nobody_to_talk_to():
    mesh = make_mesh(Degrees(), 0, torch.device("cpu"))
    assert {mesh.copies, mesh.holders, mesh.tensor, mesh.context, mesh.onward} == {None}
    assert mesh.is_first
    assert mesh.is_last
    assert mesh.ranks_of_stage == (0,)
    assert not mesh.cuts_weights


def test_the_loss_is_scaled_for_those_who_average():
    assert Mesh(degrees=Degrees(replicas=3, context=2)).loss_scale == 6
    assert Mesh(degrees=Degrees(tensor=4)).loss_scale == 1
    assert Mesh(degrees=Degrees(replicas=3, stages=2)).loss_scale == 1
