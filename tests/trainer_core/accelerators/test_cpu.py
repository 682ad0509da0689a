"""The processor as a device: what this process may use of it, whole or in shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainer_core.accelerators.cpu import CpuSource, parse_parts, processor_name
from trainer_core.errors import ConfigError

GIB = 2**30


@pytest.fixture
def root(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 5})
    write(tmp_path, "proc/cpuinfo", "processor\t: 0\nmodel name\t: AMD EPYC  9654\n")
    write(tmp_path, "proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 12582912 kB\nBad: x\n")
    ticks(tmp_path, 0)
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def ticks(root: Path, busy: int) -> None:
    lines = [f"cpu{core} {100 + busy} 0 0 {110 + busy} 0 0 0 0 0 0" for core in range(8)]
    write(root, "proc/stat", "\n".join(["cpu  1 2 3 4", *lines, "intr 5"]))


def test_the_whole_processor_is_one_device(root: Path) -> None:
    (device,) = CpuSource(root=root).read()
    assert (device.uuid, device.index, device.kind) == ("cpu-0", 0, "cpu")
    assert device.name == "AMD EPYC 9654"
    assert device.total_memory_bytes == 16 * GIB
    assert device.memory_used_bytes == 4 * GIB
    assert device.cores == (0, 1, 2, 5)


def test_utilization_is_unknown_first_and_then_the_share_since(root: Path) -> None:
    source = CpuSource(root=root)
    assert source.read()[0].utilization_percent is None
    ticks(root, 5)
    assert source.read()[0].utilization_percent == pytest.approx(50.0)
    assert source.read()[0].utilization_percent is None, "no time has passed"


def test_shares_split_cores_and_memory(root: Path) -> None:
    devices = CpuSource(root=root, parts=2).read()
    assert [device.cores for device in devices] == [(0, 1), (2, 5)]
    assert [device.total_memory_bytes for device in devices] == [8 * GIB, 8 * GIB]
    assert [device.uuid for device in devices] == ["cpu-0", "cpu-1"]


def test_more_shares_than_cores_use_them_in_turn(root: Path) -> None:
    devices = CpuSource(root=root, parts=6).read()
    assert [device.cores for device in devices] == [(0,), (1,), (2,), (5,), (0,), (1,)]


def test_a_containers_limits_hold(root: Path) -> None:
    write(root, "sys/fs/cgroup/memory.max", f"{2 * GIB}")
    write(root, "sys/fs/cgroup/memory.current", f"{GIB}")
    write(root, "sys/fs/cgroup/cpu.max", "150000 100000")
    (device,) = CpuSource(root=root).read()
    assert device.total_memory_bytes == 2 * GIB
    assert device.memory_used_bytes == GIB
    assert device.cores == (0, 1), "a quota of one and a half keeps two threads busy"


def test_a_limit_above_the_machine_is_the_machine(root: Path) -> None:
    write(root, "sys/fs/cgroup/memory.max", f"{64 * GIB}")
    assert CpuSource(root=root).read()[0].total_memory_bytes == 16 * GIB


def test_without_the_kernels_files_figures_are_unknown(tmp_path: Path) -> None:
    (device,) = CpuSource(root=tmp_path).read()
    assert device.name == "CPU"
    assert device.total_memory_bytes is None
    assert device.memory_used_bytes is None
    assert device.utilization_percent is None


def test_an_arm_boards_name_is_found(tmp_path: Path) -> None:
    write(tmp_path, "proc/cpuinfo", "processor : 0\nModel : Raspberry Pi 5\n")
    assert processor_name(tmp_path) == "Raspberry Pi 5"


def test_this_machine_has_a_processor_with_memory() -> None:
    source = CpuSource()
    (device,) = source.read()
    assert device.total_memory_bytes
    assert device.cores
    assert source.why_absent() is None


@pytest.mark.parametrize(("text", "parts"), [("", 1), ("1", 1), (" 2 ", 2), ("64", 64)])
def test_the_number_of_shares_is_read(text: str, parts: int) -> None:
    assert parse_parts(text) == parts


@pytest.mark.parametrize("text", ["0", "-1", "65", "two", "1.5", "²"])
def test_a_wrong_number_of_shares_is_one_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match=r"MOAI_TUI_CPU_DEVICES: .*use a whole number from 1"):
        parse_parts(text)
