"""`moai-tui switch` asks and answers as `moreh-switch-model` does."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from moai_tui.__main__ import main
from moai_tui.commands import switch
from trainer_core.accelerators import moai_switch
from trainer_core.accelerators.inventory import read_devices
from trainer_core.accelerators.pool import AcceleratorPool

SIZES = ["Small.64GB", "Medium.128GB", "Large.256GB", "xLarge.512GB", "1.5xLarge.768GB"]
SIZES += ["2xLarge.1024GB", "3xLarge.1536GB", "4xLarge.2048GB", "6xLarge.3072GB"]
SIZES += ["8xLarge.4096GB", "12xLarge.6144GB", "24xLarge.12288GB", "48xLarge.24576GB"]


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch) -> None:
    """Sixteen nodes' worth of halves of 64 GB: every size can be formed."""
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MOAI_TUI_LOCKS", str(tmp_path / "locks"))
    path = tmp_path / "devices.json"
    card = {"kind": "amd", "count": 384, "total_memory_bytes": 65520 * 2**20}
    path.write_text(json.dumps({"devices": [card]}))
    monkeypatch.setenv("MOAI_TUI_SCRIPTED_DEVICES", str(path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def menu(starred: str) -> str:
    lines = [
        f"{number}. {size}{'  *' if size == starred else ''}"
        for number, size in enumerate(SIZES, start=1)
    ]
    return "\n".join(lines) + "\n\n"


def current() -> str:
    return AcceleratorPool.load(read_devices().devices).current.size.label


def test_a_dialogue_reads_as_the_platforms(capsys, monkeypatch) -> None:
    switch.run(["3"])
    capsys.readouterr()
    monkeypatch.setattr(sys, "stdin", io.StringIO("8\nq\n"))
    assert switch.run([]) == 0
    assert capsys.readouterr().out == (
        "Current MoAI Accelerator: Large.256GB\n\n"
        + menu("Large.256GB")
        + "Selection (1-13, q, Q): "
        + 'The MoAI Accelerator model is successfully switched to  "4xLarge.2048GB".\n\n'
        + menu("4xLarge.2048GB")
        + "Selection (1-13, q, Q): "
    )
    assert current() == "4xLarge.2048GB"


def test_with_a_number_nothing_is_asked(capsys) -> None:
    assert switch.run(["2"]) == 0
    sentence = 'The MoAI Accelerator model is successfully switched to  "Medium.128GB".\n'
    assert capsys.readouterr().out == sentence
    assert current() == "Medium.128GB"


def test_json_tells_the_menu_and_what_happened(capsys) -> None:
    assert switch.run(["--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["current"], facts["switched"]) == ("Small.64GB", False)
    assert [size["label"] for size in facts["sizes"]] == SIZES
    assert switch.run(["4", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["current"], facts["switched"]) == ("xLarge.512GB", True)
    assert [size["number"] for size in facts["sizes"] if size["current"]] == [4]


def test_a_size_that_cannot_be_formed_changes_nothing(capsys, monkeypatch, tmp_path) -> None:
    path = tmp_path / "one.json"
    path.write_text('{"devices": [{"kind": "nvidia"}]}')
    monkeypatch.setenv("MOAI_TUI_SCRIPTED_DEVICES", str(path))
    assert main(["switch", "4"]) == 2
    assert capsys.readouterr().err == (
        "xLarge.640GB needs 8 devices, this machine has 1 device; choose a smaller size\n"
    )
    assert switch.run(["--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["current"] == "Small.80GB"
    assert facts["sizes"][3]["cannot_be_formed"] == "needs 8 devices, this machine has 1 device"


def test_on_a_moai_machine_the_platforms_own_menu_is_answered(
    capsys, monkeypatch, tmp_path
) -> None:
    path = tmp_path / "platform.json"
    device = {"kind": "moai", "model": "Small.64GB", "current": True}
    path.write_text(json.dumps({"devices": [device]}))
    monkeypatch.setenv("MOAI_TUI_SCRIPTED_DEVICES", str(path))

    def switch_model(size) -> None:
        path.write_text(json.dumps({"devices": [{**device, "model": size.label}]}))

    monkeypatch.setattr(moai_switch, "switch_model", switch_model)
    assert switch.run(["8"]) == 0
    assert '"4xLarge.2048GB".' in capsys.readouterr().out


@pytest.mark.parametrize("words", [["0"], ["14"], ["x"], ["1", "2"], ["--nope"], ["-1"]])
def test_wrong_words_are_one_sentence(words: list[str], capsys) -> None:
    assert main(["switch", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_help(capsys) -> None:
    assert switch.run(["--help"]) == 0
    assert "Usage: moai-tui switch [N]" in capsys.readouterr().out
