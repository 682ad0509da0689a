"""Live control of a run whose ranks are stand-ins: each answers with its step."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from moai_tui.commands import steering
from trainer_core.errors import UserError
from trainer_core.run.overview.summarize import summarize
from trainer_core.run.record.directory import RunDirectory, run_directories


@pytest.fixture
def living(moai: Any, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """A run that trains until it is stopped."""
    monkeypatch.setenv("STAND_IN_STEPS", "100000")
    assert moai("train", "--steps", "3", "--name", "live", "--detach") == 0
    (run,) = run_directories()
    end = time.monotonic() + 60
    while summarize(run).step is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    return run


def test_each_request_is_answered_with_its_step_and_kept(moai: Any, living: RunDirectory) -> None:
    assert moai("save", "live") == 0
    assert moai.out.startswith("The run saves a checkpoint at step ")
    assert moai("set", "live", "learning_rate=3e-4", "--json") == 0
    answer = json.loads(moai.out)
    assert (answer["ok"], answer["learning_rate"]) == (True, 3e-4)
    assert answer["step"] > 0
    assert moai("extend", "live", "--steps", "5") == 0
    assert moai.out.endswith(": total steps 100005.\n")
    config = living.config()
    assert (config.learning_rate, config.steps) == (3e-4, 100005)
    assert summarize(living).total_steps == 100005
    assert moai("pause", "live") == 0
    assert f"Run {living.id} is paused. Go on: moai-tui resume {living.id}" in moai.out
    assert summarize(living).state == "paused"
    assert moai("resume", "live", "--detach") == 0
    assert "was paused at step" in moai.out
    assert moai("stop", "live", "--now") == 0
    assert "is stopped" in moai.out
    assert "every process has ended" in moai.out


def test_an_ended_run_is_not_waited_for(moai: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert moai("train", "--steps", "3", "--name", "done") == 0
    for command in (("pause", "done"), ("save", "done"), ("extend", "done", "--steps", "1")):
        assert moai(*command) == 2
        assert "is not running (it is finished)" in moai.err
    (run,) = run_directories()
    with pytest.raises(UserError, match="gave no answer; it is finished"):
        steering.asked(run, "save")
