"""`amd-smi --json` in the forms it was seen in, and in none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer_core.accelerators.amd_smi import AmdSmi

STATIC = [
    {
        "gpu": 0,
        "asic": {"market_name": "AMD Instinct MI300X"},
        "bus": {"bdf": "0000:05:00.0"},
        "vram": {"size": {"value": 196592, "unit": "MB"}},
        "driver": {"name": "amdgpu", "version": "6.8.5"},
    }
]
METRIC = [
    {
        "gpu": 0,
        "usage": {"gfx_activity": {"value": 88, "unit": "%"}, "umc_activity": "12 %"},
        "power": {"socket_power": {"value": 610, "unit": "W"}},
        "temperature": {"edge": "N/A", "hotspot": {"value": 71}, "mem": 55},
        "mem_usage": {
            "total_vram": {"value": 196592, "unit": "MB"},
            "used_vram": "1024 MB",
        },
    }
]


def tool(static: object, metric: object) -> tuple[AmdSmi, list[str]]:
    calls: list[str] = []

    def run(arguments: tuple[str, ...]) -> str:
        calls.append(arguments[0])
        answer = static if arguments[0] == "static" else metric
        return answer if isinstance(answer, str) else json.dumps(answer)

    return AmdSmi(run=run), calls


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"gpu_data": x}, lambda x: x[0]])
def test_every_form_of_the_answer_is_read(wrap) -> None:
    smi, _ = tool(wrap(STATIC), wrap(METRIC))
    (device,) = smi.devices()
    assert device.name == "AMD Instinct MI300X"
    assert device.location == "0000:05:00.0"
    assert device.total_memory_bytes == 196592 * 2**20
    assert device.memory_used_bytes == 1024 * 2**20
    assert (device.utilization_percent, device.memory_utilization_percent) == (88, 12)
    assert (device.temperature_celsius, device.memory_temperature_celsius) == (71, 55)
    assert device.power_watts == 610
    assert device.driver_version == "6.8.5"


def test_what_does_not_change_is_asked_once_and_metrics_at_a_slow_beat() -> None:
    smi, calls = tool(STATIC, METRIC)
    smi.devices()
    smi.devices()
    assert calls == ["static", "metric"]


@pytest.mark.parametrize("answer", ["", "not json", "null", "5", "[5]", "[" * 100_000, "{}"])
def test_anything_else_is_no_crash(answer: str) -> None:
    smi, _ = tool(answer, answer)
    assert len(smi.devices()) <= 1
    assert smi.names() == {}


@pytest.mark.parametrize("junk", ["N/A", None, [], {"value": "N/A"}, True, "1e999 MB", -5])
def test_odd_figures_are_unknown(junk: object) -> None:
    metric = [{"gpu": 0, "mem_usage": {"used_vram": junk}, "usage": junk, "power": junk}]
    smi, _ = tool(STATIC, metric)
    (device,) = smi.devices()
    assert device.memory_used_bytes is None
    assert device.utilization_percent is None
    assert device.power_watts is None
    assert device.total_memory_bytes == 196592 * 2**20, "from the static answer"


def test_a_host_without_the_tool_has_nothing_to_say(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert AmdSmi().devices() == ()
