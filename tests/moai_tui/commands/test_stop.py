from __future__ import annotations

import json
from typing import Any

import pytest

from trainer_core.run.overview.summarize import summarize
from trainer_core.run.record.directory import run_directories


def test_stop_tells_the_step_and_that_every_process_ended(
    moai: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_STEPS", "10000")
    assert moai("train", "--steps", "3", "--size", "Medium", "--detach") == 0
    (run,) = run_directories()
    while summarize(run).step is None:
        pass
    assert moai("stop", run.id) == 0
    first, last = moai.out.splitlines()
    step = summarize(run).step
    assert first == f"The run stops at step {step}."
    assert last == f"Run {run.id} is stopped after step {step}; every process has ended."
    assert moai("stop", run.id) == 2
    assert "is not running (it is stopped)" in moai.err


def test_json_says_the_same(moai: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_STEPS", "10000")
    assert moai("train", "--steps", "3", "--detach") == 0
    (run,) = run_directories()
    while summarize(run).step is None:
        pass
    assert moai("stop", run.id, "--json") == 0
    said = json.loads(moai.out)
    assert (said["state"], said["processes_left"], said["exit_code"]) == ("stopped", [], 0)
    assert said["step"] == summarize(run).step
