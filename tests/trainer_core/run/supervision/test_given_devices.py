"""Ranks of torchrun and Slurm lock their devices as runs of our own do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from trainer_core.accelerators.inventory import read_devices
from trainer_core.accelerators.locks import DeviceLocks, read_holders
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.supervision import given_devices
from trainer_core.run.supervision.device_wait import DeviceWait, HeldDevices
from trainer_core.run.supervision.given_devices import GivenDevices, GivenWait
from trainer_core.run.supervision.joined import Membership

RUN, OTHER = "20260101-000000-abcdef", "20260101-000000-000001"


def member(local_rank: int, of: int = 2) -> Membership:
    return Membership(
        rank=local_rank,
        world_size=of,
        local_rank=local_rank,
        local_world_size=of,
        environment={"RANK": str(local_rank)},
        key="job",
    )


def uuids() -> list[str]:
    return [device.uuid for device in read_devices().permitted]


def test_the_first_rank_locks_for_its_node_and_the_others_go_on(run_home: Path) -> None:
    first = GivenWait(member(0), RUN).try_now()
    second = GivenWait(member(1), RUN).try_now()
    assert isinstance(first, GivenDevices)
    assert isinstance(second, GivenDevices)
    assert first.environments() == ({"RANK": "0"},)
    assert [device.uuid for device in second.devices] == uuids()[1:]
    assert {holder.run_id for holder in read_holders(uuids()).values()} == {RUN}
    assert len(read_holders(uuids())) == 2
    second.release()
    assert len(read_holders(uuids())) == 2
    first.release()
    assert read_holders(uuids()) == {}


def test_devices_of_another_run_are_waited_for(run_home: Path) -> None:
    with DeviceLocks(uuids()[1:], OTHER) as other:
        assert other.acquire() is None
        wait = GivenWait(member(0), RUN)
        found = wait.try_now()
        assert isinstance(found, str)
        assert OTHER in found
        assert found.endswith("first in the line")
        assert read_holders(uuids()[:1]) == {}
        queued = DeviceWait(RunConfig(size="Small"), "20260101-000000-000002").try_now()
        assert isinstance(queued, str), "the run that came later takes what is kept for the first"
    held = wait.try_now()
    assert isinstance(held, GivenDevices)
    held.release()


def test_another_run_waits_for_a_joined_one(run_home: Path) -> None:
    held = GivenWait(member(0), RUN).try_now()
    assert isinstance(held, GivenDevices)
    wait = DeviceWait(RunConfig(size="Small"), OTHER)
    found = wait.try_now()
    assert isinstance(found, str)
    assert RUN in found
    held.release()
    served = wait.try_now()
    assert isinstance(served, HeldDevices)
    served.release()


def test_a_rank_waits_for_the_first_of_its_node_but_not_for_ever(
    run_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = GivenWait(member(1), RUN)
    assert wait.try_now() == "waits for the first rank of this node"
    monkeypatch.setattr(given_devices, "FIRST_RANK_SECONDS", 0.0)
    held = wait.try_now()
    assert isinstance(held, GivenDevices)
    assert set(read_holders(uuids())) == set(uuids()[1:])
    held.release()


def test_ranks_that_share_one_device_are_one_run(
    run_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOAI_TUI_CPU_DEVICES", "1")
    second = GivenWait(member(1), RUN).try_now()
    first = GivenWait(member(0), RUN).try_now()
    assert isinstance(first, GivenDevices)
    assert isinstance(second, GivenDevices)
    first.release()
    second.release()


def test_a_launcher_that_does_not_count_the_ranks_of_a_node_leaves_each_to_itself(
    run_home: Path,
) -> None:
    alone = replace(member(1), local_world_size=1)
    held = GivenWait(alone, RUN).try_now()
    assert isinstance(held, GivenDevices)
    assert set(read_holders(uuids())) == set(uuids()[1:])
    held.release()
