from __future__ import annotations

from typing import Any

import pytest

from trainer_core.run.overview.summarize import summarize
from trainer_core.run.record.directory import run_directories


def test_a_stopped_run_goes_on_and_says_from_where(
    moai: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_STEPS", "10000")
    assert moai("train", "--steps", "3", "--name", "again", "--detach") == 0
    (run,) = run_directories()
    while summarize(run).step is None:
        pass
    assert moai("stop", "again") == 0
    stopped_at = summarize(run).step
    monkeypatch.setenv("STAND_IN_STEPS", "4")
    assert moai("resume", "again") == 0
    lines = moai.out.splitlines()
    assert f"was stopped at step {stopped_at}; it goes on from step {stopped_at};" in lines[0]
    assert not any(line.startswith("Step 2/10000") for line in lines)
    assert any(line.startswith("Step 4/4") for line in lines)
    assert summarize(run).attempt == 2
    assert len(run_directories()) == 1


def test_a_finished_run_is_not_resumed(moai: Any) -> None:
    assert moai("train", "--steps", "3", "--name", "done") == 0
    assert moai("resume", "done") == 2
    assert "has finished" in moai.err
