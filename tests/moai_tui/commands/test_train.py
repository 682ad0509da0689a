from __future__ import annotations

import json
from typing import Any

import pytest

from moai_tui.commands import train as train_module
from trainer_core.run.overview.summarize import list_runs
from trainer_core.run.processes.process import supervisor_alive
from trainer_core.run.record.directory import run_directories


def test_a_run_is_followed_to_its_end(moai: Any) -> None:
    """Without a terminal the command owns the run."""
    assert moai("train", "--steps", "3", "--name", "first", "--set", "checkpoint.keep=3") == 0
    lines = moai.out.splitlines()
    assert lines[0].startswith("Run first (")
    assert "Ctrl-C" not in moai.out
    assert any(line.startswith("Step 5/5 | Loss 0.8000") for line in lines)
    assert ["State", "finished"] in [line.split() for line in lines]
    (run,) = run_directories()
    assert run.config().checkpoint.keep == 3


def test_json_is_the_event_stream_and_a_summary(moai: Any) -> None:
    assert moai("train", "--steps", "3", "--json") == 0
    rows = [json.loads(line) for line in moai.out.splitlines()]
    assert rows[0]["type"] == "state_changed"
    assert rows[-2]["type"] == "run_ended"
    assert (rows[-1]["type"], rows[-1]["state"], rows[-1]["step"]) == ("summary", "finished", 5)


def test_detached_it_returns_at_once(moai: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_STEPS", "10000")
    assert moai("train", "--steps", "3", "--detach", "--json", "--name", "away") == 0
    said = json.loads(moai.out)
    (run,) = run_directories()
    assert said == {"id": run.id, "name": "away", "path": str(run.path)}
    assert supervisor_alive(run)
    assert moai("stop", "away") == 0


def test_a_failed_run_is_exit_1_with_its_cause(moai: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_AT_STEP", "1")
    monkeypatch.setenv("STAND_IN_DEED", "raise KeyError('column')")
    assert moai("train", "--steps", "3") == 1
    assert "failed: KeyError: 'column'" in moai.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("--model", "tinny"),
        ("--learning-rate", "fast"),
        ("--set", "checkpoint.kept=1"),
        ("--detach", "--foreground"),
        ("no-such-file.yaml",),
        ("--size", "Enormous"),
        ("--nonsense",),
        ("--steps",),
    ],
)
def test_bad_input_is_exit_2_in_sentences_and_leaves_no_folder(
    moai: Any, arguments: tuple[str, ...]
) -> None:
    assert moai("train", *arguments) == 2
    assert moai.out == ""
    assert moai.err.strip()
    assert "Traceback" not in moai.err
    assert list_runs() == ()


def test_a_terminal_in_front_of_it_decides_who_owns_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for streams, terminal in (((1, 1, 1), True), ((1, 0, 1), True), ((0, 1, 1), False)):
        for name, is_terminal in zip(("stdin", "stdout", "stderr"), streams, strict=True):
            monkeypatch.setattr(
                getattr(train_module.sys, name), "isatty", lambda yes=is_terminal: bool(yes)
            )
        assert train_module.at_terminal() is terminal


def test_a_slurm_script_is_printed_and_nothing_is_started(moai: Any) -> None:
    assert (
        moai("train", "--slurm", "--size", "2xLarge", "--gpus-per-node", "4", "--steps", "3") == 0
    )
    assert moai.out.startswith("#!/bin/bash\n")
    assert "#SBATCH --nodes=4\n" in moai.out
    assert "steps: 3\n" in moai.out
    assert "sbatch" in moai.err
    assert list(run_directories()) == []
