"""AMD cards from a recorded tree of the kernel driver's files."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest

from trainer_core.accelerators.amd import AmdSource
from trainer_core.accelerators.amd_smi import AmdSmi

TREE = json.loads((Path(__file__).parent / "fixtures" / "amd_sysfs.json").read_text())


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    for name, text in TREE.items():
        write(tmp_path, name, text)
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def source(sysfs: Path, answer: str | None = None) -> AmdSource:
    return AmdSource(sys_root=sysfs, tool=AmdSmi(run=lambda _: answer))


def test_cards_are_read_in_pci_order_whatever_their_number(sysfs: Path) -> None:
    first, second = source(sysfs).read()
    assert [first.location, second.location] == ["0000:29:00.0", "0000:c1:00.0"]
    assert [first.index, second.index] == [0, 1]
    assert second.uuid == "GPU-a1b2c3d4e5f60718"
    assert first.uuid == "0000:29:00.0", "no unique id: the place names it"
    assert second.name == "AMD Instinct MI250X/MI250"
    assert second.total_memory_bytes == 65520 * 2**20
    assert second.memory_used_bytes == 11005952
    assert (second.utilization_percent, second.memory_utilization_percent) == (12, 3)
    assert (second.temperature_celsius, second.memory_temperature_celsius) == (36, 43)
    assert (second.power_watts, second.power_limit_watts, second.clock_mhz) == (93, 560, 800)
    assert second.driver_version == "6.7.0"


def test_files_that_are_missing_or_refuse_are_unknown(sysfs: Path) -> None:
    first, _ = source(sysfs).read()
    assert first.utilization_percent is None
    assert first.temperature_celsius is None
    assert first.power_watts is None
    assert first.clock_mhz is None
    assert first.error is None


@pytest.mark.parametrize("text", ["", "-1", "9" * 30, "68702699521", "x"])
def test_absurd_memory_in_use_is_unknown(sysfs: Path, text: str) -> None:
    write(sysfs, "class/drm/card1/device/mem_info_vram_used", text)
    assert source(sysfs).read()[0].memory_used_bytes is None


def test_the_junction_stands_in_where_there_is_no_edge(sysfs: Path) -> None:
    (sysfs / "class/drm/card2/device/hwmon/hwmon5/temp1_label").unlink()
    assert source(sysfs).read()[1].temperature_celsius == 41


def test_processes_are_found_by_the_compute_drivers_number(sysfs: Path) -> None:
    write(sysfs, f"class/kfd/kfd/proc/{os.getpid()}/vram_4711", "4096\n")
    write(sysfs, f"class/kfd/kfd/proc/{os.getpid()}/vram_9999", "4096\n")
    first, second = source(sysfs).read()
    assert [process.pid for process in first.processes] == [os.getpid()]
    assert first.processes[0].memory_used_bytes == 4096
    assert second.processes == ()


def test_built_in_graphics_are_no_accelerator(sysfs: Path) -> None:
    for card in ("card1", "card2"):
        write(sysfs, f"class/drm/{card}/device/mem_info_vram_total", "536870912")
    amd = source(sysfs)
    assert amd.read() == ()
    assert amd.why_absent() == "AMD: only built-in graphics, which is no accelerator"


def test_an_unknown_card_is_named_by_the_tool_once(sysfs: Path) -> None:
    write(sysfs, "class/drm/card1/device/device", "0xffff")
    answer = '[{"gpu": 0, "asic": {"market_name": "MI999"}, "bus": {"bdf": "0000:29:00.0"}}]'
    assert source(sysfs, answer).read()[0].name == "MI999"
    assert source(sysfs, None).read()[0].name == "AMD card"


def test_without_a_driver_the_reason_is_said(tmp_path: Path) -> None:
    amd = source(tmp_path)
    assert amd.read() == ()
    assert amd.why_absent() == "AMD: no driver (amdgpu is not loaded)"
    (tmp_path / "module/amdgpu").mkdir(parents=True)
    assert amd.read() == ()
    assert "shows no card" in (amd.why_absent() or "")


def test_uncorrectable_errors_of_every_block_are_added_up(sysfs: Path) -> None:
    card = "class/drm/card2/device"
    write(sysfs, f"{card}/ras/umc_err_count", "ue: 2\nce: 9\n")
    write(sysfs, f"{card}/ras/sdma_err_count", "ue: 1\nce: 0\n")
    write(sysfs, f"{card}/hwmon/hwmon5/freq2_input", "1600000000\n")
    second = AmdSource(sys_root=sysfs).read()[1]
    assert (second.ecc_errors, second.memory_clock_mhz) == (3, 1600)
    write(sysfs, f"{card}/ras/sdma_err_count", "ue: many\n")
    assert AmdSource(sys_root=sysfs).read()[1].ecc_errors is None


def test_why_a_card_is_slowed_is_told(sysfs: Path) -> None:
    table = struct.pack("<HBB", 120, 1, 3) + bytes(108) + struct.pack("<Q", 1 << 34)
    (sysfs / "class/drm/card2/device/gpu_metrics").write_bytes(table)
    first, second = source(sysfs).read()
    assert (first.throttle_reasons, second.throttle_reasons) == ((), ("hot",))
