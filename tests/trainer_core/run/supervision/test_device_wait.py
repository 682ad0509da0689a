from __future__ import annotations

from pathlib import Path

import pytest

from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.accelerators.inventory import read_devices
from trainer_core.accelerators.locks import DeviceLocks
from trainer_core.errors import UserError
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.supervision.device_wait import (
    DeviceWait,
    HeldDevices,
    device_count,
    require_same_kind,
)

RUN = "20260101-000000-abcdef"


def test_devices_are_locked_until_released(run_home: Path) -> None:
    held = DeviceWait(RunConfig(size="Medium"), RUN).try_now()
    assert isinstance(held, HeldDevices)
    uuids = [device.uuid for device in held.devices]
    assert len(held.environments()) == len(uuids) == 2
    assert set(DeviceLocks(uuids, "x").holders().values()) == {RUN}
    held.release()
    assert DeviceLocks(uuids, "x").holders() == {}


def test_a_run_waits_only_when_too_few_are_idle(run_home: Path) -> None:
    first = DeviceWait(RunConfig(size="Small"), RUN).try_now()
    second = DeviceWait(RunConfig(size="Small"), RUN).try_now()
    assert isinstance(first, HeldDevices)
    assert isinstance(second, HeldDevices)
    assert first.devices[0].uuid != second.devices[0].uuid
    third = DeviceWait(RunConfig(size="Small"), RUN).try_now()
    assert isinstance(third, str)
    assert RUN in third
    first.release()
    second.release()


def test_threads_asked_for_reach_the_ranks(run_home: Path) -> None:
    config = RunConfig(size="Small", worker=RunConfig().worker.__class__(threads=3))
    held = DeviceWait(config, RUN).try_now()
    assert isinstance(held, HeldDevices)
    assert held.environments()[0]["OMP_NUM_THREADS"] == "3"
    held.release()


def test_what_this_machine_never_has_is_an_error(run_home: Path) -> None:
    with pytest.raises(UserError):
        DeviceWait(RunConfig(size="48xLarge"), RUN).try_now()
    with pytest.raises(UserError):
        DeviceWait(RunConfig(size="Huge"), RUN).try_now()


def test_the_count_comes_from_size_then_names_then_the_current_accelerator(run_home: Path) -> None:
    devices = read_devices().devices
    assert device_count(RunConfig(size="Large"), devices) == 4
    assert device_count(RunConfig(devices=("0", "1")), devices) == 2
    assert device_count(RunConfig(), devices) == 1


def test_devices_are_given_in_the_order_of_asking(run_home: Path) -> None:
    """A small run that came later does not take what a large one has been waiting for."""
    running = DeviceWait(RunConfig(size="Small"), RUN).try_now()
    assert isinstance(running, HeldDevices)
    large = DeviceWait(RunConfig(size="Medium"), "20260101-000000-00000a")
    small = DeviceWait(RunConfig(size="Small"), "20260101-000000-00000b")
    first = large.try_now()
    second = small.try_now()
    assert isinstance(first, str)
    assert first.endswith("first in the line")
    assert isinstance(second, str)
    assert "place 2 in the line, after run 20260101-000000-00000a" in second
    running.release()
    assert isinstance(small.try_now(), str)
    held = large.try_now()
    assert isinstance(held, HeldDevices)
    held.release()
    served = small.try_now()
    assert isinstance(served, HeldDevices)
    served.release()


def test_who_gives_up_is_no_longer_waited_for(run_home: Path) -> None:
    running = DeviceWait(RunConfig(size="Small"), RUN).try_now()
    assert isinstance(running, HeldDevices)
    large = DeviceWait(RunConfig(size="Medium"), "20260101-000000-00000a")
    small = DeviceWait(RunConfig(size="Small"), "20260101-000000-00000b")
    assert isinstance(large.try_now(), str)
    assert isinstance(small.try_now(), str)
    large.give_up()
    served = small.try_now()
    assert isinstance(served, HeldDevices)
    served.release()
    running.release()


def test_what_was_trained_on_a_card_is_not_gone_on_with_on_the_processor() -> None:
    cpu = DeviceSnapshot(index=0, uuid="cpu-0", kind="cpu", name="CPU")
    card = DeviceSnapshot(index=0, uuid="GPU-1", kind="nvidia", name="NVIDIA H100")
    with pytest.raises(UserError, match="trained on NVIDIA H100 and no permitted card is seen"):
        require_same_kind(("NVIDIA H100", "NVIDIA H100"), (cpu,), RUN)
    require_same_kind(("NVIDIA H100",), (card,), RUN)
    require_same_kind(("cpu",), (cpu,), RUN)
    require_same_kind((), (cpu,), RUN)
