"""Own folders for every test, and devices made of a few words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from trainer_core.accelerators.base import GIB, DeviceSnapshot

BOUNDS = (
    "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "SLURM_JOB_GPUS",
    "SLURM_STEP_GPUS",
    "SLURM_JOB_ID",
    "MOAI_TUI_CPU_DEVICES",
    "MOAI_TUI_SCRIPTED_DEVICES",
)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MOAI_TUI_LOCKS", str(tmp_path / "locks"))
    for name in BOUNDS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def card() -> Callable[..., DeviceSnapshot]:
    def make(index: int = 0, **fields: object) -> DeviceSnapshot:
        values: dict[str, object] = {
            "uuid": f"GPU-{index:08x}-1111",
            "index": index,
            "kind": "nvidia",
            "name": "NVIDIA H100 80GB HBM3",
            "total_memory_bytes": 81559 * 2**20,
            "memory_used_bytes": GIB // 2,
            "utilization_percent": 0.0,
        }
        return DeviceSnapshot(**{**values, **fields})

    return make


@pytest.fixture
def cards(card: Callable[..., DeviceSnapshot]) -> Callable[[int], list[DeviceSnapshot]]:
    return lambda count: [card(index) for index in range(count)]
