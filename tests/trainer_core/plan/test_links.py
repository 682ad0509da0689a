from __future__ import annotations

from dataclasses import replace

import pytest

from trainer_core.plan.degrees import Degrees
from trainer_core.plan.links import Group, groups_of
from trainer_core.plan.machines import load_machine


def test_what_travels_is_what_rings_move() -> None:
    group = Group(4, 1e9, 0.0)
    assert group.gather_seconds(4e9) == pytest.approx(3.0)
    assert group.sum_seconds(4e9) == pytest.approx(6.0)
    assert group.send_seconds(1e9) == pytest.approx(1 / 3)
    assert Group(1, 1e9, 1.0).sum_seconds(1e9) == 0.0
    assert Group(4, None, 1.0).sum_seconds(1e9) == 0.0


def test_groups_inside_a_node_use_its_links() -> None:
    machine = load_machine("16xmi250")  # nodes of 8
    groups = groups_of(machine, Degrees(replicas=2, shards=4, tensor=2, stages=2))
    assert groups.tensor.bandwidth == machine.link_bandwidth
    assert groups.shards.bandwidth == machine.link_bandwidth
    assert groups.replicas.ranks == 2
    across = machine.node_link_bandwidth
    assert groups.replicas.bandwidth == across
    assert groups.stages.bandwidth == across


def test_members_of_one_node_share_its_port() -> None:
    machine = load_machine("16xmi250")
    whole = groups_of(machine, Degrees(shards=32)).shards
    assert whole.bandwidth == pytest.approx(8 * (machine.node_link_bandwidth or 0))
    assert whole.latency > groups_of(machine, Degrees(shards=8)).shards.latency


def test_without_nodes_all_links_are_alike() -> None:
    machine = replace(load_machine("8xh100"), devices_per_node=None)
    assert groups_of(machine, Degrees(shards=8)).shards.bandwidth == machine.link_bandwidth
