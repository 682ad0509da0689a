"""`moai-tui device` manages the user's accelerators in the platform's sentences."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from moai_tui.__main__ import main
from moai_tui.commands import device
from trainer_core.accelerators.locks import DeviceLocks, user_name


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MOAI_TUI_LOCKS", str(tmp_path / "locks"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    path = tmp_path / "devices.json"
    path.write_text('{"devices": [{"kind": "nvidia", "count": 2}]}')
    monkeypatch.setenv("MOAI_TUI_SCRIPTED_DEVICES", str(path))
    return path


def models() -> list[str]:
    output = io.StringIO()
    before, sys.stdout = sys.stdout, output
    try:
        device.run(["--list", "--json"])
    finally:
        sys.stdout = before
    rows = json.loads(output.getvalue())["accelerators"]
    return [("*" if row["current"] else "") + row["model"] for row in rows]


def test_a_row_is_added_switched_to_and_removed(capsys) -> None:
    assert device.run(["--add", "2"]) == 0
    assert capsys.readouterr().out == (
        "+-------------------------------------------------+\n"
        "|  Device  |        Name         |      Model     |\n"
        "+=================================================+\n"
        "|  * 0     |   MoAI Accelerator  |  Small.80GB    |\n"
        "|    1     |   MoAI Accelerator  |  Medium.160GB  |\n"
        "+-------------------------------------------------+\n"
        "Create device success.\n"
    )
    assert models() == ["*Small.80GB", "Medium.160GB"]
    assert device.run(["--switch", "1"]) == 0
    assert capsys.readouterr().out.endswith("\nSwitch Current Device success.\n")
    assert models() == ["Small.80GB", "*Medium.160GB"]
    assert device.run(["--rm", "1"]) == 0
    assert capsys.readouterr().out.endswith("\nRemove device success.\n")
    assert models() == ["*Small.80GB"]


def test_the_list_has_the_accelerators_and_the_sizes_to_add(capsys) -> None:
    assert device.run(["--list"]) == 0
    text = capsys.readouterr().out
    assert "|  * 0     |   MoAI Accelerator  |  Small.80GB  |" in text
    assert "\n1. Small.80GB\n2. Medium.160GB\n3. Large.320GB  (needs 4 devices" in text
    assert text.count("\n13. ") == 1


def test_without_a_number_a_menu_asks(capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("1\n1\nq\n"))
    assert device.run(["--add"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("1. Small.80GB\n")
    assert "Selection (1-13, q, Q): +---" in text
    assert "Create device success.\n1. Small.80GB\n" in text
    assert "already 2 accelerators on 2 devices" in text
    monkeypatch.setattr(sys, "stdin", io.StringIO("1\n5\nq\n"))
    assert device.run(["--switch"]) == 0
    text = capsys.readouterr().out
    assert "Selection (0-1, q, Q): " in text
    assert "Switch Current Device success.\n" in text
    assert "Enter a number from 0 to 1, or q to leave.\n" in text
    assert models() == ["Small.80GB", "*Small.80GB"]


def test_nothing_runs_nothing_is_released(capsys) -> None:
    assert device.run(["--reset"]) == 1
    assert capsys.readouterr().out == "Device release failed. (Not running job.)\n"


def test_a_reset_asks_the_run_to_stop_and_waits_for_its_devices(capsys, monkeypatch) -> None:
    locks = DeviceLocks(["GPU-scripted-0"], "run-1")
    locks.acquire()
    asked: list[str] = []

    def stop(run_id: str) -> None:
        asked.append(run_id)
        locks.release()

    monkeypatch.setattr(device, "stop_run", stop)
    assert device.run(["--reset"]) == 0
    assert asked == ["run-1"]
    assert capsys.readouterr().out == "Device release success.\n"


def test_a_run_that_still_saves_is_said(capsys, monkeypatch) -> None:
    monkeypatch.setattr(device, "stop_run", lambda run_id: None)
    monkeypatch.setattr(device, "_wait_until_free", lambda row: False)
    with DeviceLocks(["GPU-scripted-0"], "run-1") as locks:
        locks.acquire()
        assert device.run(["--reset", "0"]) == 0
    assert "Run run-1 is still saving" in capsys.readouterr().out


def test_strangers_are_not_stopped(capsys, machine: Path) -> None:
    process = {"pid": 4711, "user": "bob"}
    machine.write_text(json.dumps({"devices": [{"kind": "nvidia", "processes": [process]}]}))
    assert device.run(["--reset"]) == 1
    assert capsys.readouterr().out == (
        "Device release failed. (Held by bob (pid 4711), which is no run of yours.)\n"
    )
    assert user_name()


def test_the_request_reaches_the_runs_control_folder(monkeypatch) -> None:
    directory = pytest.importorskip("trainer_core.run.record.directory")
    control = pytest.importorskip("trainer_core.run.record.control")
    sent: list[tuple[object, str]] = []

    class Found:
        path = Path("/runs/run-1")

    monkeypatch.setattr(directory, "find_run", lambda text: Found)
    monkeypatch.setattr(control, "send_request", lambda path, action: sent.append((path, action)))
    device.stop_run("run-1")
    assert sent == [(Path("/runs/run-1"), "stop")]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--add", "x"],
        ["--list", "1"],
        ["--rm", "1", "2"],
        ["--nope"],
        ["--add", "99"],
        ["--rm", "7"],
        ["--rm", "--json"],
        ["--add=14"],
    ],
)
def test_wrong_words_are_one_sentence(words: list[str], capsys) -> None:
    assert main(["device", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_json_tells_the_rows_afterwards(capsys) -> None:
    assert device.run(["--add=1", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["limit"] == 2
    assert [row["size"] for row in facts["accelerators"]] == ["Small", "Small"]
    assert device.run(["--reset", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["released"] is False


def test_help(capsys) -> None:
    assert device.run(["-h"]) == 0
    assert "--reset" in capsys.readouterr().out
