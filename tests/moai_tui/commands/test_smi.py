"""`moai-tui smi`: the table, its options, its JSON, and what it must not load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest

from moai_tui.__main__ import main
from moai_tui.commands import smi
from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.accelerators.locks import DeviceLocks
from trainer_core.errors import ConfigError

TWO_CARDS = {
    "devices": [
        {"kind": "nvidia", "uuid": "GPU-a", "total_memory_bytes": 85520809984,
         "memory_used_bytes": 416284672, "utilization_percent": 0.0},
        {"kind": "nvidia", "uuid": "GPU-b", "total_memory_bytes": 85520809984},
    ]
}  # fmt: skip

IDLE = """\
+-------------------------------------------------------------------------------------------------+
|                                                  Current Version: 0.1.0  Latest Version: 0.1.0  |
+-------------------------------------------------------------------------------------------------+
|  Device  |        Name         |     Model    |  Memory Usage  |  Total Memory  |  Utilization  |
+=================================================================================================+
|  * 0     |   MoAI Accelerator  |  Small.80GB  |  -             |  -             |  -            |
+-------------------------------------------------------------------------------------------------+
"""


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MOAI_TUI_LOCKS", str(tmp_path / "locks"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    path = tmp_path / "devices.json"
    path.write_text(json.dumps(TWO_CARDS))
    monkeypatch.setenv("MOAI_TUI_SCRIPTED_DEVICES", str(path))
    return path


def test_an_idle_machine_prints_the_platforms_table(capsys) -> None:
    assert smi.run([]) == 0
    assert capsys.readouterr().out == IDLE


def test_a_held_accelerator_shows_figures_and_its_process(capsys) -> None:
    with DeviceLocks(["GPU-a"], "20261124-120000-abcdef") as locks:
        locks.acquire()
        assert smi.run([]) == 0
    table = capsys.readouterr().out
    assert "|  * 0     |   MoAI Accelerator  |  Small.80GB  |  397 MiB       |" in table
    assert "|    0 %        |" in table


def test_bounds_and_lost_devices_are_said_below(capsys, machine: Path, monkeypatch) -> None:
    content = json.loads(machine.read_text())
    content["devices"][1]["error"] = "GPU 1 lost: GPU is lost"
    machine.write_text(json.dumps(content))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    smi.run([])
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "",
        "CUDA_VISIBLE_DEVICES=0 permits device 0 of 2",
        "GPU 1 lost: GPU is lost",
    ]


def test_physical_devices_and_one_of_them(capsys) -> None:
    assert smi.run(["-p"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6
    assert smi.run(["-p", "-i1"]) == 0
    assert "|    1  |" in capsys.readouterr().out
    assert main(["smi", "-i", "7"]) == 2
    assert capsys.readouterr().err == "There is no accelerator 7; choose one of 0\n"
    assert main(["smi", "-p", "-i", "7"]) == 2
    assert capsys.readouterr().err == "There is no device 7; choose one of 0, 1\n"


def test_json_has_versions_accelerators_and_every_field_of_every_device(capsys) -> None:
    assert smi.run(["--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["versions"]["current"] == "0.1.0"
    assert facts["accelerators"][0]["model"] == "Small.80GB"
    assert facts["accelerators"][0]["memory_used_bytes"] is None
    names = {field.name for field in fields(DeviceSnapshot)}
    assert [set(device) for device in facts["devices"]] == [names, names]
    assert facts["notes"] == []


def test_the_platforms_versions_are_shown_where_there_is_a_platform(capsys, machine: Path) -> None:
    device = {"kind": "moai", "model": "Large.256GB", "current": True}
    framework = {"current": "24.2.0", "latest": "24.5.0"}
    machine.write_text(json.dumps({"devices": [device], "framework": framework}))
    smi.run([])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("Current Version: 24.2.0  Latest Version: 24.5.0  |")
    assert "|  * 0     |   MoAI Accelerator  |  Large.256GB  |  -             |" in lines[5]


@pytest.mark.parametrize(
    "argv", [["--nope"], ["-i"], ["-i", "x"], ["--watch"], ["--watch", "0"], ["--watch=nan"], ["1"]]
)
def test_wrong_arguments_are_one_sentence(argv: list[str], capsys) -> None:
    assert main(["smi", *argv]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_arguments_are_read_in_both_spellings() -> None:
    wanted = smi.Options(physical=True, index=3, watch_seconds=2.0, as_json=True)
    assert smi.parse(["-p", "-i", "3", "--watch", "2", "--json"]) == wanted
    assert smi.parse(["--physical", "--idx=3", "--watch=2", "--json"]) == wanted
    with pytest.raises(ConfigError):
        smi.parse(["--idx", "-3"])


def test_help_names_every_option(capsys) -> None:
    assert smi.run(["-h"]) == 0
    text = capsys.readouterr().out
    assert all(option in text for option in ("-p", "-i", "--watch", "--json", "--help"))


def test_a_broken_store_is_one_sentence(capsys, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "accelerators.yaml").write_text("{")
    assert main(["smi"]) == 2
    assert "accelerators.yaml cannot be used" in capsys.readouterr().err


def test_watching_prints_again_until_ctrl_c(capsys, monkeypatch) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", pause)
    assert main(["smi", "--watch", "2", "--json"]) == 130
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3, "one line a reading"
    assert all(json.loads(line)["devices"] for line in lines)


def test_a_processor_is_read_twice_where_its_utilization_is_shown(monkeypatch, capsys) -> None:
    monkeypatch.delenv("MOAI_TUI_SCRIPTED_DEVICES")
    monkeypatch.setenv("MOAI_TUI_CPU_DEVICES", "1")
    assert smi.run(["--json"]) == 0
    (device,) = json.loads(capsys.readouterr().out)["devices"]
    assert device["kind"] == "cpu"
    assert device["total_memory_bytes"] > 0


def test_it_loads_nothing_heavy() -> None:
    code = (
        "import sys; from moai_tui.commands.smi import run; run([]);"
        "print([n for n in ('textual', 'typer', 'torch', 'rich', 'msgspec', 'yaml', 'pynvml',"
        " 'subprocess') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.splitlines()[-1] == "[]"
