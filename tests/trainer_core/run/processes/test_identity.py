from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from trainer_core.run.processes import identity
from trainer_core.run.processes.identity import (
    RunLock,
    lives_here,
    lock_holder,
    lock_is_held,
    own_identity,
    processes_of_run,
    signal_run_process,
    start_time,
)

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_this_process_lives_here() -> None:
    assert lives_here(own_identity(0.0))


def test_a_reused_number_and_an_older_boot_are_not_this_process() -> None:
    own = own_identity(0.0)
    assert not lives_here(msgspec.structs.replace(own, start_time=own.start_time - 1))
    assert not lives_here(msgspec.structs.replace(own, boot_id="another"))


def test_a_zombie_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert start_time(process.pid) is None
    process.wait()


def test_one_holder_and_its_name_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not lock_is_held(path)
    lock = RunLock(path)
    assert lock.acquire(own_identity(12.5))
    assert lock_is_held(path)
    assert not RunLock(path).acquire(own_identity(13.0))
    holder = lock_holder(path)
    assert holder is not None
    assert (holder.pid, holder.since) == (os.getpid(), 12.5)
    lock.release()
    assert not lock_is_held(path)
    assert path.exists()


def test_the_lock_is_not_inherited_by_children(tmp_path: Path) -> None:
    lock = RunLock(tmp_path / "lock")
    lock.acquire(own_identity(0.0))
    with subprocess.Popen(SLEEP, close_fds=False) as child:
        lock.release()
        held = True
        for _ in range(100):  # the kernel closes the child's copy a moment after it runs
            held = lock_is_held(tmp_path / "lock")
            if not held:
                break
            time.sleep(0.01)
        child.kill()
        assert not held


def test_a_symbolic_link_in_place_of_the_lock_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic"):
        RunLock(tmp_path / "lock").acquire(own_identity(0.0))
    assert not (tmp_path / "target").exists()


def test_processes_are_known_by_their_run() -> None:
    environment = {**os.environ, identity.RUN_VARIABLE: "20260101-000000-abcdef"}
    with subprocess.Popen(SLEEP, env=environment) as child, subprocess.Popen(SLEEP) as stranger:
        found: list[int] = []
        for _ in range(100):
            found = list(processes_of_run("20260101-000000-abcdef"))
            if found:
                break
            time.sleep(0.02)
        assert found == [child.pid]
        assert not signal_run_process(stranger.pid, "20260101-000000-abcdef", signal.SIGKILL)
        assert stranger.poll() is None
        assert signal_run_process(child.pid, "20260101-000000-abcdef", signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        stranger.kill()


DIES_WITH_PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", '''
import os, time
from trainer_core.run.processes.identity import die_with_parent
die_with_parent(os.getppid())
print(os.getpid(), flush=True)
time.sleep(60)
'''], stdout=subprocess.PIPE)
print(child.stdout.readline().decode().strip(), flush=True)
time.sleep(60)
"""


def test_a_child_dies_with_its_killed_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DIES_WITH_PARENT], stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert start_time(child) is not None
        parent.kill()
        for _ in range(250):
            if start_time(child) is None:
                break
            time.sleep(0.02)
        assert start_time(child) is None


def test_a_child_whose_parent_is_already_gone_ends_at_once() -> None:
    code = (
        "from trainer_core.run.processes.identity import die_with_parent; die_with_parent(1 << 22)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 1
