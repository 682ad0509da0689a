"""Limits of containers and batch jobs, both cgroup versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer_core.accelerators import cgroup

GIB = 2**30


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_cgroups_there_is_no_limit(tmp_path: Path) -> None:
    assert cgroup.memory_limit_bytes(tmp_path) is None
    assert cgroup.memory_used_bytes(tmp_path) is None
    assert cgroup.processor_limit(tmp_path) is None


def test_version_2_takes_the_smallest_limit_on_the_way_up(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/job.slice/step\n",
            "sys/fs/cgroup/job.slice/memory.max": f"{8 * GIB}\n",
            "sys/fs/cgroup/job.slice/step/memory.max": "max\n",
            "sys/fs/cgroup/job.slice/step/memory.current": f"{3 * GIB}\n",
            "sys/fs/cgroup/job.slice/step/memory.stat": f"anon 5\ninactive_file {GIB}\n",
            "sys/fs/cgroup/job.slice/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/job.slice/step/cpu.max": "max 100000\n",
        },
    )
    assert cgroup.memory_limit_bytes(root) == 8 * GIB
    assert cgroup.memory_used_bytes(root) == 2 * GIB
    assert cgroup.processor_limit(root) == 1.5


def test_in_a_container_the_mount_itself_is_the_group(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/docker/0123\n",
            "sys/fs/cgroup/memory.max": f"{4 * GIB}\n",
            "sys/fs/cgroup/cpu.max": "200000 100000\n",
        },
    )
    assert cgroup.memory_limit_bytes(root) == 4 * GIB
    assert cgroup.processor_limit(root) == 2.0


def test_version_1_is_read_and_its_no_limit_is_none(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/box\n1:cpu,cpuacct:/box\n",
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes": f"{2 * GIB}\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/box/memory.usage_in_bytes": f"{GIB}\n",
            "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
    )
    assert cgroup.memory_limit_bytes(root) == 2 * GIB
    assert cgroup.memory_used_bytes(root) == GIB
    assert cgroup.processor_limit(root) == 0.5


@pytest.mark.parametrize("text", ["", "max", "-1", "many", "9" * 40, "0"])
def test_an_odd_limit_is_no_limit(tmp_path: Path, text: str) -> None:
    root = tree(tmp_path, {"sys/fs/cgroup/memory.max": text, "sys/fs/cgroup/cpu.max": f"{text} 1"})
    assert cgroup.memory_limit_bytes(root) is None
    assert cgroup.processor_limit(root) is None


@pytest.mark.parametrize(
    ("limit", "permitted", "whole"), [(None, 8, 8), (0.5, 8, 1), (1.5, 8, 2), (16.0, 8, 8)]
)
def test_a_quota_is_rounded_up_to_whole_processors(limit, permitted, whole) -> None:
    assert cgroup.whole_processors(limit, permitted) == whole
