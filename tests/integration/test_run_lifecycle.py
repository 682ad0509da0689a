"""Runs through the real command: terminals that close, followers that die, ranks that train."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from trainer_core.run.overview.summarize import list_runs, summarize
from trainer_core.run.processes.identity import (
    lock_holder,
    lock_is_held,
    processes_of_run,
    start_time,
)
from trainer_core.run.processes.process import supervisor_alive
from trainer_core.run.record.directory import RunDirectory, run_directories
from trainer_core.run.record.event_log import EventReader
from trainer_core.run.record.events import Step
from trainer_core.run.supervision.ranks import kill_leftovers

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
STAND_IN = ROOT / "tests" / "stand_in_rank.py"
COMMAND = [sys.executable, "-m", "moai_tui"]


@dataclass
class Terminal:
    """`moai-tui` on a pseudo-terminal, as over SSH."""

    arguments: tuple[str, ...]
    pid: int = 0
    master: int = -1
    output: bytes = b""
    status: int | None = None

    def __post_init__(self) -> None:
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.execv(sys.executable, [*COMMAND, *self.arguments])

    def read_until(self, text: bytes, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while text not in self.output:
            assert time.monotonic() < end, self.output.decode(errors="replace")
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    self.output += os.read(self.master, 65536)
                except OSError:  # the other end is closed
                    assert text in self.output, self.output.decode(errors="replace")

    def close(self) -> None:
        """Hang up, as a dropped line does."""
        os.close(self.master)
        self.master = -1

    def wait(self, seconds: float = 30.0) -> int:
        """Return the exit code, negative for a signal."""
        end = time.monotonic() + seconds
        while self.status is None:
            assert time.monotonic() < end, "the command did not end"
            if self.master >= 0 and select.select([self.master], [], [], 0.05)[0]:
                try:
                    self.output += os.read(self.master, 65536)
                except OSError:
                    time.sleep(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status


@dataclass
class Place:
    """Folders of one test."""

    home: Path
    terminals: list[Terminal] = field(default_factory=list)

    def terminal(self, *arguments: str) -> Terminal:
        self.terminals.append(Terminal(arguments))
        return self.terminals[-1]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    for name, folder in (
        ("MOAI_TUI_HOME", "home"),
        ("MOAI_TUI_LOCKS", "locks"),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_CONFIG_HOME", "config"),
    ):
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.setenv("MOAI_TUI_CPU_DEVICES", "2")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("TERM", "xterm")
    here = Place(tmp_path / "home")
    yield here
    for terminal in here.terminals:
        if terminal.status is None:
            os.kill(terminal.pid, signal.SIGKILL)
            os.waitpid(terminal.pid, 0)
    for run in run_directories():
        holder = lock_holder(run.lock_path)
        if holder is not None and lock_is_held(run.lock_path):
            os.kill(holder.pid, signal.SIGKILL)
        kill_leftovers(run.id)


@pytest.fixture
def stand_in(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a small program train, for tests of what is around it."""
    monkeypatch.setenv("MOAI_TUI_TEST_RANK", str(STAND_IN))
    monkeypatch.setenv("STAND_IN_STEPS", "100000")


def wait_until(holds: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def moai(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def goes_on(run: RunDirectory) -> None:
    """Assert that the run trains further, with not one step missing."""
    before = summarize(run).step or 0
    wait_until(lambda: (summarize(run).step or 0) > before + 3)
    reader = EventReader(run.path)
    steps = [event.step for event in reader.read_new() if isinstance(event, Step)]
    assert steps == list(range(1, len(steps) + 1))
    assert (reader.bad_rows, reader.missing_rows) == (0, 0)


def the_run() -> RunDirectory:
    wait_until(run_directories)
    (run,) = run_directories()
    wait_until(lambda: summarize(run).step)
    return run


@pytest.mark.usefixtures("stand_in")
def test_a_closed_terminal_leaves_the_run_untouched(place: Place) -> None:
    terminal = place.terminal("train", "--steps", "5")
    run = the_run()
    terminal.close()
    assert terminal.wait() in (129, -signal.SIGHUP)
    goes_on(run)
    assert moai("stop", run.id).returncode == 0


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGHUP, 129), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_a_follower_that_ends_leaves_the_run_untouched(
    place: Place, number: signal.Signals, code: int
) -> None:
    terminal = place.terminal("train", "--steps", "5")
    run = the_run()
    terminal.read_until(b"Step ")
    os.kill(terminal.pid, number)
    assert terminal.wait() == code
    goes_on(run)


@pytest.mark.usefixtures("stand_in")
def test_ctrl_c_leaves_and_says_how_to_come_back(place: Place) -> None:
    terminal = place.terminal("train", "--steps", "5", "--name", "mine")
    run = the_run()
    terminal.read_until(b"Step ")
    os.write(terminal.master, b"\x03")
    assert terminal.wait() == 130
    assert b"moai-tui attach mine" in terminal.output
    goes_on(run)


@pytest.mark.usefixtures("stand_in")
def test_ctrl_c_twice_stops_and_saves(place: Place) -> None:
    terminal = place.terminal("train", "--steps", "5")
    run = the_run()
    terminal.read_until(b"Step ")
    os.write(terminal.master, b"\x03")
    terminal.read_until(b"again now")
    os.write(terminal.master, b"\x03")
    assert terminal.wait() == 0
    summary = summarize(run)
    assert (summary.state, summary.last_checkpoint_step) == ("stopped", summary.step)
    assert list(processes_of_run(run.id)) == []


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_without_a_terminal_the_command_owns_the_run(place: Place, number: signal.Signals) -> None:
    with subprocess.Popen(
        [*COMMAND, "train", "--steps", "5"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as command:
        run = the_run()
        command.send_signal(number)
        said = command.communicate(timeout=60)[0]
    assert command.returncode == 0
    assert "The run stops at step" in said
    assert summarize(run).state == "stopped"


@pytest.mark.usefixtures("stand_in")
def test_two_launches_of_one_name_are_one_run(place: Place) -> None:
    command = [*COMMAND, "train", "--steps", "5", "--name", "contested", "--detach"]
    both = [
        subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        for _ in range(2)
    ]
    errors = [process.communicate(timeout=60)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 2]
    assert b"has this name" in b"".join(errors)
    assert len(run_directories()) == 1


@pytest.mark.usefixtures("stand_in")
def test_two_resumes_of_one_run_are_one_attempt(place: Place) -> None:
    assert moai("train", "--steps", "5", "--name", "r", "--detach").returncode == 0
    run = the_run()
    assert moai("stop", "r").returncode == 0
    both = [
        subprocess.Popen(
            [*COMMAND, "resume", "r", "--detach"],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    for process in both:
        process.communicate(timeout=60)
    assert sorted(process.returncode for process in both) == [0, 2]
    wait_until(lambda: summarize(run).attempt == 2)
    holder = lock_holder(run.lock_path)
    assert holder is not None
    assert start_time(holder.pid) == holder.start_time


def _open_ports(pid: int) -> list[str]:
    """Return local addresses that a process listens on, as the kernel writes them."""
    sockets = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            sockets.add(os.readlink(entry))
        except OSError:
            continue
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.append(fields[1].partition(":")[0])
    return found


LOOPBACK = ("0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F")


def test_two_real_ranks_train_listen_on_loopback_only_and_stop(place: Place) -> None:
    arguments = ("--steps", "500", "--size", "Medium", "--set", "sample.count=0")
    small = ("--set", "data.eval_fraction=0.002", "--sequence-length", "128")
    quick = ("--global-batch-size", "2", "--set", "checkpoint.every_steps=0")
    rare = ("--set", "eval.every_steps=0", "--name", "real", "--detach", "--json")
    started = moai("train", *arguments, *small, *quick, *rare)
    assert started.returncode == 0, started.stderr
    (run,) = run_directories()
    assert json.loads(started.stdout)["id"] == run.id
    wait_until(lambda: (summarize(run).step or 0) >= 2, seconds=150)
    pids = list(processes_of_run(run.id))
    assert len(pids) >= 2
    ports = [address for pid in pids for address in _open_ports(pid)]
    assert all(address in LOOPBACK for address in ports), ports
    stopped = moai("stop", "real")
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert "every process has ended" in stopped.stdout
    assert list(processes_of_run(run.id)) == []
    summary = list_runs()[0]
    assert (summary.state, summary.exit_code) == ("stopped", 0)
    assert summary.model_path is not None
    assert (Path(summary.model_path) / "model.safetensors").stat().st_size > 0
    assert not supervisor_alive(run)


@pytest.mark.usefixtures("stand_in")
def test_commands_of_another_launcher_are_the_ranks_of_one_run(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_STEPS", "5")
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511"}
    commands = [
        subprocess.Popen(
            [*COMMAND, "train", "--steps", "5", "--foreground"],
            cwd=ROOT,
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for rank in (1, 0)
    ]
    said = [command.communicate(timeout=90) for command in commands]
    assert [command.returncode for command in commands] == [0, 0], said
    (run,) = run_directories()
    assert summarize(run).state == "finished"
    for rank in (0, 1):
        assert f"rank {rank} of 2" in run.rank_log_path(rank).read_text()
    assert not list(run.path.parent.glob(".joined-*"))
