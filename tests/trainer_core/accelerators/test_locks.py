"""A device is locked for the machine: one holder, freed by its death, said to the others."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from trainer_core.accelerators import locks
from trainer_core.accelerators.locks import (
    DeviceLocks,
    lock_directory,
    lock_path,
    read_holders,
    try_locking,
)
from trainer_core.errors import UserError

HOLD = """
import sys
from trainer_core.accelerators.locks import DeviceLocks
locks = DeviceLocks(sys.argv[2:], sys.argv[1])
print("taken" if locks.acquire() is None else "refused", flush=True)
sys.stdin.read()
"""


def start(run_id: str, *uuids: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, run_id, *uuids],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        process.kill()
        process.communicate()


def test_of_two_processes_that_race_one_gets_the_device() -> None:
    racers = [start(f"run-{number}", "GPU-1") for number in range(4)]
    try:
        answers = sorted(answer(racer) for racer in racers)
        assert answers == ["refused", "refused", "refused", "taken"]
    finally:
        end(*racers)


def test_a_killed_holder_frees_its_devices_and_its_line_counts_no_more() -> None:
    holder = start("run-a", "GPU-1", "GPU-2")
    assert answer(holder) == "taken"
    found = read_holders(["GPU-1", "GPU-2", "GPU-3"])
    assert {uuid: entry.run_id for uuid, entry in found.items()} == {
        "GPU-1": "run-a",
        "GPU-2": "run-a",
    }
    assert found["GPU-1"].pid == holder.pid
    assert found["GPU-1"].user == locks.user_name()
    refused = DeviceLocks(["GPU-0", "GPU-2"], "run-b")
    blocked_by = refused.acquire()
    assert blocked_by is not None
    assert blocked_by.run_id == "run-a"
    assert not refused.held
    assert read_holders(["GPU-0"]) == {}, "all or none: the first lock was given back"

    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    assert lock_path("GPU-1").read_text(), "the stale line is still there"
    assert read_holders(["GPU-1", "GPU-2"]) == {}
    with DeviceLocks(["GPU-1"], "run-b") as taken:
        assert taken.acquire() is None
        assert taken.holders() == {"GPU-1": "run-b"}


def test_release_frees_and_keeps_the_file() -> None:
    mine = DeviceLocks(["GPU-1"], "run-a")
    assert mine.acquire() is None
    inode = lock_path("GPU-1").stat().st_ino
    mine.release()
    assert read_holders(["GPU-1"]) == {}
    assert lock_path("GPU-1").stat().st_ino == inode
    assert lock_path("GPU-1").read_text() == ""


def test_the_folder_is_for_everybody_and_sticky_whatever_the_umask() -> None:
    before = os.umask(0o077)
    try:
        assert DeviceLocks(["GPU-1"], "run-a").acquire() is None
    finally:
        os.umask(before)
    assert stat.S_IMODE(lock_directory().stat().st_mode) == 0o1777
    assert stat.S_IMODE(lock_path("GPU-1").stat().st_mode) == 0o666


def test_one_readable_line_stands_beside_the_lock() -> None:
    mine = DeviceLocks(["GPU-1"], "run-a")
    mine.acquire()
    line = lock_path("GPU-1").read_text()
    assert line.endswith("\n")
    assert json.loads(line)["run"] == "run-a"
    mine.release()


def test_a_child_does_not_inherit_the_lock() -> None:
    mine = DeviceLocks(["GPU-1"], "run-a")
    mine.acquire()
    assert [os.get_inheritable(number) for number in mine._descriptors.values()] == [False]
    mine.release()


def test_a_copy_of_the_descriptor_does_not_keep_a_released_lock() -> None:
    mine = DeviceLocks(["GPU-1"], "run-a")
    mine.acquire()
    copies = [os.dup(number) for number in mine._descriptors.values()]
    mine.release()
    assert read_holders(["GPU-1"]) == {}
    for number in copies:
        os.close(number)


@pytest.mark.parametrize(
    "line", ["", "not json", "[1]", '{"run": 5}', '{"run": "\\u001b[31m"}', "[" * 1999]
)
def test_a_hostile_line_says_nothing_that_a_terminal_obeys(line: str) -> None:
    mine = DeviceLocks(["GPU-1"], "run-a")
    mine.acquire()
    lock_path("GPU-1").write_text(line)
    holder = read_holders(["GPU-1"])["GPU-1"]
    assert holder.run_id in ("unknown", "[31m")
    mine.release()


@pytest.mark.parametrize("uuid", ["../../etc/passwd", "..", "a/b", "GPU\n1", "", "x" * 500])
def test_no_uuid_leaves_the_folder(uuid: str, tmp_path: Path) -> None:
    path = lock_path(uuid, tmp_path)
    assert path.parent == tmp_path
    assert path.name not in (".", "..")
    assert len(path.name) < 255


def test_a_link_in_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    lock_directory().mkdir()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    lock_path("GPU-1").symlink_to(victim)
    with pytest.raises(UserError, match="MOAI_TUI_LOCKS"):
        DeviceLocks(["GPU-1"], "run-a").acquire()
    assert victim.read_text() == "precious"


def test_an_unusable_folder_is_one_sentence(monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MOAI_TUI_LOCKS", str(tmp_path / "file" / "locks"))
    with pytest.raises(UserError, match=r"cannot be locked in .*; set MOAI_TUI_LOCKS"):
        DeviceLocks(["GPU-1"], "run-a").acquire()
    assert read_holders(["GPU-1"]) == {}


def test_every_user_computes_the_same_folder(monkeypatch) -> None:
    monkeypatch.delenv("MOAI_TUI_LOCKS")
    assert lock_directory() in (Path("/run/lock/moai-tui"), Path("/var/tmp/moai-tui"))


def test_trying_a_lock_tells_good_folders_from_bad(tmp_path: Path, monkeypatch) -> None:
    assert try_locking(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    assert "cannot be written" in (try_locking(Path("/proc/nowhere")) or "")
    monkeypatch.setattr(locks, "_try_lock", lambda *_, **__: True)
    assert "grants one lock twice" in (try_locking(tmp_path) or "")


def test_a_holder_publishes_until_when_and_its_name_only_if_given(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MOAI_TUI_LOCKS", str(tmp_path))
    with DeviceLocks(["GPU-a", "GPU-b"], "r1") as held:
        assert held.acquire() is None
        first = read_holders(["GPU-a"])["GPU-a"]
        assert (first.run_id, first.until, first.name) == ("r1", None, None)
        held.publish(2e9, "a rather long name of a run")
        held.publish(2e9 + 30, "moved too little to be news")
        both = read_holders(["GPU-a", "GPU-b"])
        assert {holder.until for holder in both.values()} == {2e9}
        assert both["GPU-b"].name == "a rather long name of a run"
        assert both["GPU-a"].since == first.since
        held.publish(2e9 + 600)
        assert read_holders(["GPU-a"])["GPU-a"].name is None
        line = json.loads((tmp_path / "GPU-a.lock").read_text())
        assert line["devices"] == ["GPU-a", "GPU-b"]
    assert read_holders(["GPU-a"]) == {}


@pytest.mark.parametrize("until", [-1, 0, 1e300, "soon", None, [1]])
def test_a_moment_that_cannot_be_is_unknown(tmp_path, monkeypatch, until) -> None:
    monkeypatch.setenv("MOAI_TUI_LOCKS", str(tmp_path))
    with DeviceLocks(["GPU-a"], "r1") as held:
        held.acquire()
        (tmp_path / "GPU-a.lock").write_text(json.dumps({"run": "r1", "until": until}))
        assert read_holders(["GPU-a"])["GPU-a"].until is None
