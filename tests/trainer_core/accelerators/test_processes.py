"""Who a process is."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
import time

import pytest

from trainer_core.accelerators.processes import children, descendants, describe

SLEEPER = "import sys; print(1, flush=True); sys.stdin.read()"


@pytest.fixture
def child():
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER, "a b"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_a_process_has_user_command_and_start(child) -> None:
    found = describe(child.pid, 5)
    assert found is not None
    assert found.memory_used_bytes == 5
    assert found.user == getpass.getuser()
    assert found.command is not None
    assert found.command.endswith("'a b'")
    assert found.started_at is not None
    assert abs(found.started_at - time.time()) < 300


@pytest.mark.parametrize("pid", [-1, 0, 2**22 + 7, 2**40])
def test_an_unknown_number_is_nobody(pid: int) -> None:
    if pid == 0:
        assert describe(pid, None) is None or describe(pid, None).pid == 0
    else:
        assert describe(pid, None) is None


def test_children_have_their_resident_memory_in_order_of_start(child) -> None:
    mine = [process for process in children(os.getpid()) if process.pid == child.pid]
    assert len(mine) == 1
    assert (mine[0].memory_used_bytes or 0) > 1_000_000
    assert child.pid in descendants(os.getpid())


def test_a_dead_process_has_no_family() -> None:
    assert children(2**22 + 7) == ()
    assert descendants(2**22 + 7) == frozenset((2**22 + 7,))
