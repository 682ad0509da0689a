from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trainer_core.run.processes.stacks import ask_for_stacks, stacks_path, state_in_words

Start = Callable[..., "subprocess.Popen[str]"]
WORK = """
import sys, time
from pathlib import Path
from trainer_core.run.processes.stacks import stacks_path, write_stacks_on_signal

def deep_in_a_collective():
    print("works", flush=True)
    time.sleep(60)

if len(sys.argv) > 1:
    write_stacks_on_signal(stacks_path(Path(sys.argv[1]), 1))
deep_in_a_collective()
"""


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", WORK, *arguments], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def read_until(path: Path, text: str) -> str:
    end = time.monotonic() + 30
    while text not in (found := path.read_text() if path.exists() else ""):
        assert time.monotonic() < end, found
        time.sleep(0.02)
    return found


def test_a_rank_writes_where_it_stands(start: Start, tmp_path: Path) -> None:
    process = start(str(tmp_path))
    path = stacks_path(tmp_path, 1)
    ask_for_stacks(path, process.pid, "rank 1 has not moved for 12 s (training)")
    text = read_until(path, "deep_in_a_collective")
    assert "rank 1 has not moved for 12 s (training)\n" in text
    assert path.stat().st_mode & 0o777 == 0o600
    assert process.poll() is None


def test_a_frozen_rank_is_described_by_the_kernel_and_answers_when_it_goes_on(
    start: Start, tmp_path: Path
) -> None:
    process = start(str(tmp_path))
    os.kill(process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    path = stacks_path(tmp_path, 1)
    ask_for_stacks(path, process.pid, "why")
    assert path.read_text().endswith("why; it is stopped by a signal (SIGSTOP)\n")
    os.kill(process.pid, signal.SIGCONT)
    read_until(path, "deep_in_a_collective")
    assert state_in_words(process.pid) is None


def test_a_process_that_does_not_listen_is_left_alone(start: Start, tmp_path: Path) -> None:
    """SIGUSR2 would end it."""
    process = start()
    ask_for_stacks(tmp_path / "x", process.pid, "why")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    assert state_in_words(1 << 22) is None
