"""Run folders of their own for tests of `trainer_core.run`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from trainer_core.run.config import RunConfig
from trainer_core.run.directory import RunDirectory, create_run


@pytest.fixture
def run_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a state root, lock folder and caches of its own."""
    home = tmp_path / "home"
    monkeypatch.setenv("MOAI_TUI_HOME", str(home))
    monkeypatch.setenv("MOAI_TUI_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("MOAI_TUI_CPU_DEVICES", "2")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MOAI_TUI_RUNS", raising=False)
    return home


@pytest.fixture
def new_run(run_home: Path) -> Callable[..., RunDirectory]:
    """Return a maker of run folders; nothing is started."""
    return lambda **fields: create_run(RunConfig(**fields))
