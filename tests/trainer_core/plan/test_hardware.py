from __future__ import annotations

from typing import Any

import pytest

from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.plan.hardware import (
    CPU_RESERVE_BYTES,
    DRIVER_SHARE_BYTES,
    hardware_from,
    settled_precision,
)
from trainer_core.plan.peaks import CPU_CORE_FLOPS

MIB, GIB = 2**20, 2**30


def _card(index: int, **fields: Any) -> DeviceSnapshot:
    values: dict[str, Any] = {
        "uuid": f"GPU-{index}",
        "index": index,
        "kind": "nvidia",
        "name": "NVIDIA H100 80GB HBM3",
        "total_memory_bytes": 81559 * MIB,
        "memory_used_bytes": 400 * MIB,
    }
    return DeviceSnapshot(**(values | fields))


def test_idle_cards_set_what_a_run_finds() -> None:
    busy = _card(0, memory_used_bytes=70 * GIB)
    hardware = hardware_from((busy, _card(1), _card(2)))
    assert hardware is not None
    assert (hardware.kind, hardware.devices, hardware.device_memory_gb) == ("nvidia", 3, 80)
    assert hardware.memory_bytes == 81559 * MIB - 400 * MIB - DRIVER_SHARE_BYTES
    assert hardware.matmul_flops == 989e12
    assert not hardware.described


def test_where_all_cards_are_busy_the_freest_counts() -> None:
    hardware = hardware_from(
        (_card(0, memory_used_bytes=70 * GIB), _card(1, memory_used_bytes=60 * GIB))
    )
    assert hardware is not None
    assert hardware.memory_bytes == 81559 * MIB - 60 * GIB - DRIVER_SHARE_BYTES


def test_what_a_run_of_ours_holds_is_waited_for() -> None:
    held = _card(0, memory_used_bytes=70 * GIB, held_by="20261124-120000-abcdef")
    hardware = hardware_from((held,))
    assert hardware is not None
    assert hardware.memory_bytes == 81559 * MIB - DRIVER_SHARE_BYTES


def test_cards_that_are_not_permitted_or_lost_do_not_count() -> None:
    shut = _card(0, permitted=False)
    lost = _card(1, error="fell off the bus")
    assert hardware_from((shut, lost)) is None
    assert hardware_from(()) is None
    one = hardware_from((shut, lost, _card(2)))
    assert one is not None
    assert one.devices == 1


def test_a_processor_has_its_cores_and_its_free_memory() -> None:
    parts = tuple(
        DeviceSnapshot(
            uuid=f"cpu-{part}",
            index=part,
            kind="cpu",
            name="CPU",
            total_memory_bytes=4 * GIB,
            memory_used_bytes=GIB,
            cores=(part,),
        )
        for part in range(2)
    )
    hardware = hardware_from(parts)
    assert hardware is not None
    assert (hardware.kind, hardware.devices) == ("cpu", 2)
    assert hardware.memory_bytes == 3 * GIB - CPU_RESERVE_BYTES
    assert hardware.matmul_flops == CPU_CORE_FLOPS


def test_an_unknown_card_has_no_rate() -> None:
    hardware = hardware_from((_card(0, name="Accelerator X 80GB"),))
    assert hardware is not None
    assert hardware.matmul_flops is None


def test_the_platform_forms_every_size() -> None:
    moai = DeviceSnapshot(
        uuid="moai-0",
        index=0,
        kind="moai",
        name="MoAI Accelerator",
        total_memory_bytes=65520 * MIB,
    )
    hardware = hardware_from((moai,))
    assert hardware is not None
    assert hardware.devices == 384


@pytest.mark.parametrize(
    ("kind", "name", "asked", "settled"),
    [
        ("cpu", "CPU", "auto", "fp32"),
        ("cpu", "CPU", "bf16", "bf16"),
        ("nvidia", "NVIDIA H100", "auto", "bf16"),
        ("nvidia", "Tesla V100-SXM2", "auto", "fp32"),
        ("nvidia", "Unknown", "auto", "bf16"),
        ("nvidia", "NVIDIA H100", "fp32", "fp32"),
    ],
)
def test_automatic_precision(kind: str, name: str, asked: str, settled: str) -> None:
    assert settled_precision(kind, name, asked) == settled


def test_fp32_has_its_own_rate() -> None:
    hardware = hardware_from((_card(0),), "fp32")
    assert hardware is not None
    assert hardware.matmul_flops == 67e12
