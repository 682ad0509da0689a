from __future__ import annotations

import json
from pathlib import Path

import pytest

from moai_tui.__main__ import main
from trainer_core.accelerators.base import SIZE_NAMES


@pytest.fixture(autouse=True)
def own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("MOAI_TUI_CPU_DEVICES", "2")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.chdir(tmp_path)


def test_a_described_machine_is_planned_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "gpt-tutorial", "--machine", "8xh100", "--set", "numerics=plain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "cerebras-gpt-13b, full, 16 × 1024 tokens a step on "
        "8 × NVIDIA H100 80 GB in one node (described)"
    )
    rows = {line[2:].split(" ")[0]: line for line in lines[3:16]}
    assert len(rows) == 13
    assert " no " in rows["Small.80GB"]
    assert "fits with numerics: auto" in rows["Small.80GB"]
    assert "tok/s" not in rows["Small.80GB"]
    assert rows["xLarge.640GB"].startswith("* xLarge.640GB")
    assert "cannot be formed" in rows["2xLarge.1280GB"]
    text = "\n".join(lines)
    assert "why: xLarge.640GB: tensor parallel over 2 × sharded over 4" in text
    assert "faster than sharding alone" in text
    assert "runner-up: " in text
    assert "note: computed only" in text


def test_on_the_fast_path_the_tutorial_fits_one_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "gpt-tutorial", "--machine", "8xh100", "--set", "numerics=auto"]) == 0
    lines = capsys.readouterr().out.splitlines()
    small = next(line for line in lines if "Small.80GB" in line)
    # It fills what the card has: blocks are recomputed only as far as they must be.
    assert " tight " in small
    assert "recomput" in small


def test_json_has_the_promised_fields(capsys: pytest.CaptureFixture[str]) -> None:
    plainly = ["--set", "numerics=plain"]
    assert main(["plan", "gpt-tutorial", "--machine", "8xh100", *plainly, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [size["devices"] for size in answer["sizes"]] == list(SIZE_NAMES)
    for size in answer["sizes"]:
        assert {"size", "verdict", "peak_memory_bytes", "tokens_per_second", "seconds"} <= set(size)
        assert size["verdict"] in ("fits", "tight", "no", "cannot be formed")
        if size["verdict"] == "no":
            assert size["tokens_per_second"] is None
    assert answer["choice"]["size"] == "xLarge.640GB"
    memory = answer["choice"]["plan"]["memory_bytes"]
    assert sum(memory.values()) == answer["choice"]["peak_memory_bytes"]
    assert answer["sizes"][0]["change"] == {"numerics": "auto"}
    assert answer["sizes"][1]["change"] == {"size": "Large"}
    assert answer["reason"]
    assert answer["runner_up"]["plan"]
    assert answer["computed_only"] is True
    assert answer["described"] is True


def test_this_machine_is_planned_for_at_the_current_size(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["plan", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["choice"]["devices"] == 1
    assert answer["choice"]["verdict"] == "fits"
    assert answer["choice"]["seconds"] > 0
    assert main(["plan", "--size", "Medium", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["choice"]["devices"] == 2


def test_a_file_and_flags_make_the_config(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("model: cerebras-gpt-111m\nsequence_length: 128\n")
    arguments = [str(path), "--global-batch-size", "4", "--set", "parallel.recomputation=blocks"]
    assert main(["plan", *arguments, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["model"], answer["sequence_length"], answer["global_batch_size"]) == (
        "cerebras-gpt-111m",
        128,
        4,
    )
    assert answer["choice"]["plan"]["recomputation"] == "blocks"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--machine", "8xh10"],
            "8xh10: no such machine or file; machines: 8xh100",
        ),
        (["--model", "tinny"], "model: unknown model 'tinny'; the nearest known id is tiny"),
        (
            [
                "gpt-tutorial",
                "--machine=16xmi250",
                "--size=4xLarge",
                "--set=parallel.strategy=fsdp",
            ],
            "global_batch_size: 16 cannot be shared by 32 devices; use 32",
        ),
        (
            ["--model", "someone/something"],
            "model: the shape of 'someone/something' is not known here; "
            "name a folder with its config.json, or a preset",
        ),
        (
            ["--steps", "0", "--learning-rate", "2"],
            "learning_rate: 2.0 cannot be used; use 1 or less\n"
            "steps: 0 cannot be used; use 1 or more",
        ),
    ],
)
def test_mistakes_are_sentences_and_exit_2(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", *arguments]) == 2
    said = capsys.readouterr()
    assert said.err.strip() == sentence
    assert said.out == ""
