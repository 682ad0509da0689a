"""Run folders of their own for tests of `trainer_core.run`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.processes.identity import lock_holder, lock_is_held
from trainer_core.run.processes.process import start_run
from trainer_core.run.record.directory import RunDirectory, create_run
from trainer_core.run.supervision.ranks import kill_leftovers

STAND_IN = Path(__file__).parents[2] / "stand_in_rank.py"


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


@pytest.fixture
def stand_in(
    run_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., RunDirectory]]:
    """Return a starter of runs whose ranks are the stand-in program; all are ended afterwards.

    Its keywords go to the stand-in (`steps`, `seconds`, `at_step`, `deed`), `size` to the run.
    """
    monkeypatch.setenv("MOAI_TUI_TEST_RANK", str(STAND_IN))
    started: list[RunDirectory] = []

    def start(*, size: str = "Small", name: str | None = None, **options: object) -> RunDirectory:
        for key, value in options.items():
            monkeypatch.setenv(f"STAND_IN_{key.upper()}", str(value))
        run = create_run(RunConfig(size=size, name=name))
        started.append(run)
        start_run(run)
        return run

    yield start
    for run in started:
        holder = lock_holder(run.lock_path)
        if holder is not None and lock_is_held(run.lock_path):
            os.kill(holder.pid, signal.SIGKILL)
        kill_leftovers(run.id)


@pytest.fixture
def wait_for() -> Callable[..., None]:
    """Return a function that waits until something holds, and fails when it does not."""

    def wait(holds: Callable[[], object], seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.05)

    return wait
