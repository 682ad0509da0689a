"""`moai-tui doctor` says what a run would stumble over, with the way out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from moai_tui.__main__ import main
from moai_tui.commands import doctor
from trainer_core.accelerators.worker_torch import TorchFacts

WORKING = TorchFacts(python="3.11.7", torch="2.13.0+cpu")


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MOAI_TUI_LOCKS", str(tmp_path / "locks"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("MOAI_TUI_WORKER_PYTHON", raising=False)
    monkeypatch.setattr(doctor, "probe", lambda python: WORKING)
    path = tmp_path / "devices.json"
    path.write_text('{"devices": [{"kind": "cpu", "cores": [0, 1], "total_memory_bytes": 1}]}')
    monkeypatch.setenv("MOAI_TUI_SCRIPTED_DEVICES", str(path))
    return path


def lines(capsys) -> dict[str, str]:
    text = capsys.readouterr().out
    return {line[9:].partition(": ")[0]: line for line in text.splitlines()}


def test_a_sound_machine_has_no_problem_and_nothing_is_made(capsys, tmp_path: Path) -> None:
    assert doctor.run([]) == 0
    found = lines(capsys)
    assert found["program"].startswith("ok       program: moai-tui 0.1.0 on Python 3.")
    assert "textual 8" in found["packages"]
    assert found["device 0"] == "ok       device 0: Scripted processor, 0.0 GiB, 2 cores, idle"
    assert "torch 2.13.0+cpu (CPU) on Python 3.11.7" in found["worker"]
    assert {"device locks", "MOAI_TUI_HOME", "log-out", "disk for runs"} <= set(found)
    assert not (tmp_path / "home").exists()
    assert not (tmp_path / "locks").exists()


def test_a_card_that_torch_cannot_use_is_a_problem(capsys, machine: Path) -> None:
    card = {"kind": "nvidia", "driver_version": "550.54"}
    machine.write_text(json.dumps({"devices": [card]}))
    assert doctor.run([]) == 1
    worker = lines(capsys)["worker"]
    assert worker.startswith("PROBLEM  worker: The worker's torch 2.13.0+cpu is a build without")
    assert "driver 550.54" in worker


def test_a_worker_that_cannot_be_asked_is_a_problem(capsys, monkeypatch) -> None:
    monkeypatch.setattr(doctor, "probe", lambda python: "/x/python cannot be started")
    assert doctor.run([]) == 1
    assert lines(capsys)["worker"] == "PROBLEM  worker: /x/python cannot be started"


def test_lost_devices_bounds_and_nothing_permitted_are_said(
    capsys, machine: Path, monkeypatch
) -> None:
    card = {"kind": "nvidia", "count": 1}
    lost = {"kind": "nvidia", "error": "GPU 1 lost: GPU is lost"}
    machine.write_text(json.dumps({"devices": [card, lost]}))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert doctor.run([]) == 1
    found = lines(capsys)
    assert "not permitted" in found["device 0"]
    assert found["device 1"].startswith("PROBLEM  device 1: GPU 1 lost: GPU is lost; look at dmesg")
    assert "permits none of the 2 devices" in found["bound"]
    assert found["devices"].startswith("PROBLEM  devices: no device may be used")


def test_missing_and_harmful_packages_are_named_with_the_way_out(capsys, monkeypatch) -> None:
    there = {"pynvml": "13.0.1"}
    monkeypatch.setattr(doctor, "_version", there.get)
    assert doctor.run([]) == 1
    found = lines(capsys)
    assert found["packages"].startswith("PROBLEM  packages: textual, psutil")
    assert found["packages"].endswith("; pip install moai-tui")
    assert found["pynvml"].startswith("warning")


def test_json_has_the_same_for_programs(capsys) -> None:
    assert doctor.run(["--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["worker_torch"]["torch"] == "2.13.0+cpu"
    assert facts["devices"][0]["kind"] == "cpu"
    assert {check["state"] for check in facts["checks"]} <= {"ok", "warning", "problem"}
    assert facts["packages"]["psutil"]


def test_on_real_hardware_the_kinds_not_seen_have_their_reason(capsys, monkeypatch) -> None:
    monkeypatch.delenv("MOAI_TUI_SCRIPTED_DEVICES")
    doctor.run(["--json"])
    facts = json.loads(capsys.readouterr().out)
    seen = {device["kind"] for device in facts["devices"]}
    assert seen
    if seen == {"cpu"}:
        assert [text.partition(":")[0] for text in facts["not_seen"]] == ["MoAI", "NVIDIA", "AMD"]


def test_wrong_words_and_help(capsys) -> None:
    assert main(["doctor", "--nope"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert doctor.run(["-h"]) == 0
    assert "Usage: moai-tui doctor" in capsys.readouterr().out


def test_rates_are_measured_and_kept(monkeypatch, capsys) -> None:
    from trainer_core.plan.types import Hardware
    from trainer_core.run.forecast import calibration
    from trainer_core.run.forecast.device_key import key_of

    def measured(hardware: Hardware, python: str | None) -> calibration.Calibration:
        return calibration.Calibration(key=key_of(hardware), fp32_flops=5e10, memory_bandwidth=8e9)

    monkeypatch.setattr(calibration, "calibrate", measured)
    assert doctor.run(["--calibrate"]) == 0
    assert "fp32 products        50.0 GFLOP/s" in capsys.readouterr().out
    assert doctor.run(["--calibrate", "--json"]) == 0
    assert '"fp32 products": 50000000000.0' in capsys.readouterr().out
