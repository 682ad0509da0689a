"""Runs and a command line for tests of commands."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from moai_tui.__main__ import main
from moai_tui.commands import output
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.processes.identity import lock_holder, lock_is_held
from trainer_core.run.record.directory import RunDirectory, create_run, run_directories

STAND_IN = Path(__file__).parents[2] / "stand_in_rank.py"


class CommandLine:
    """Runs commands in this process and keeps what they said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = ""
        self.err = ""

    def __call__(self, *arguments: str) -> int:
        """Run one command; returns its exit code."""
        self._capsys.readouterr()
        code = main(arguments)
        self.out, self.err = self._capsys.readouterr()
        return code


@pytest.fixture
def moai(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[CommandLine]:
    """Return the command line on folders of its own, with stand-in ranks and UTF-8."""
    for name, folder in (
        ("MOAI_TUI_HOME", "home"),
        ("MOAI_TUI_LOCKS", "locks"),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_CONFIG_HOME", "config"),
    ):
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.setenv("MOAI_TUI_CPU_DEVICES", "2")
    monkeypatch.setenv("MOAI_TUI_TEST_RANK", str(STAND_IN))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    output.ascii_only.cache_clear()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    before = {number: signal.getsignal(number) for number in numbers}
    umask = os.umask(0o022)
    yield CommandLine(capsys)
    os.umask(umask)
    for number, handler in before.items():
        signal.signal(number, handler)
    for run in run_directories():
        holder = lock_holder(run.lock_path)
        if holder is not None and lock_is_held(run.lock_path):
            os.kill(holder.pid, signal.SIGKILL)


@pytest.fixture
def new_run(moai: CommandLine) -> Callable[..., RunDirectory]:
    """Return a maker of run folders; nothing is started."""
    return lambda **fields: create_run(RunConfig(**fields))
