"""Words for hardware: sizes name themselves."""

from __future__ import annotations

from trainer_core.accelerators.base import SIZE_NAMES, DeviceProcess, Size


def test_a_size_is_called_by_its_devices_and_their_memory() -> None:
    assert Size(devices=1, device_memory_gb=80).label == "Small.80GB"
    assert Size(devices=32, device_memory_gb=64).label == "4xLarge.2048GB"
    assert Size(devices=384, device_memory_gb=64).label == "48xLarge.24576GB"


def test_the_menu_has_thirteen_sizes_in_rising_order() -> None:
    assert len(SIZE_NAMES) == 13
    assert list(SIZE_NAMES) == sorted(SIZE_NAMES)


def test_a_lock_or_a_process_makes_a_device_run(card) -> None:
    assert not card().running
    assert card(held_by="run-1").running
    assert card(processes=(DeviceProcess(pid=1),)).running
