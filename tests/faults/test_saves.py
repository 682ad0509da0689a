"""A save that is cut short at any system call costs nothing but itself; a changed byte is found."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.laboratory import ROOT, SEED, Laboratory, record
from trainer_core.run.storage.checkpoints import checkpoint_folders, verify

WRITING = (
    *("openat", "write", "pwrite64", "writev", "fsync", "fdatasync", "mkdir", "rename"),
    *("renameat", "renameat2", "unlink", "unlinkat", "rmdir", "ftruncate", "fallocate"),
)
"""System calls that change a disk or can find it full."""
LOOKING = ("read", "close", "newfstatat", "fstat", "lseek", "getdents64", "statx", "mmap")
MOST_CALLS = 400

without_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="needs strace: apt install strace"
)


class SaveServer:
    """`save_server.py`, asked line by line."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("save_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )
        self.sums: dict[str, str] = self._answer()["sums"]

    def load(self, run: Path) -> dict[str, Any]:
        """Return what a resume would go on from."""
        return self._ask({"do": "load", "run": str(run)})

    def save(self, run: Path, step: int, inject: str | None = None) -> tuple[int, bool]:
        """Save with a fault; returns (exit code or negative signal, whether the fault came)."""
        pid = self._ask({"do": "save", "run": str(run), "step": step})["pid"]
        tracer = None
        log = run.parent / "strace"
        if inject is not None:
            name = inject.partition(":")[0]
            command = ["strace", "-f", "-p", str(pid), "-o", str(log), "-e", f"trace={name}"]
            tracer = subprocess.Popen(
                [*command, "-e", f"inject={inject}"], stderr=subprocess.PIPE, text=True
            )
            assert tracer.stderr is not None
            while "attached" not in (line := tracer.stderr.readline()):
                assert line, "strace cannot attach here"
        os.kill(pid, signal.SIGCONT)
        status = self._answer()["status"]
        if tracer is None:
            return status, False
        tracer.communicate(timeout=60)
        told = log.read_text(errors="replace")
        return status, "INJECTED" in told or "killed by SIGKILL" in told

    def end(self) -> None:
        """End the server."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the save server has died"
        answer: dict[str, Any] = json.loads(line)
        return answer


@pytest.fixture(scope="module")
def server() -> Iterator[SaveServer]:
    server = SaveServer()
    yield server
    server.end()


@pytest.fixture(scope="module")
def good(server: SaveServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with one good checkpoint, of step 1."""
    run = tmp_path_factory.mktemp("good") / "run"
    run.mkdir()
    assert server.save(run, 1) == (0, False)
    return run


def cut_short(server: SaveServer, good: Path, place: Path, call: str, fault: str) -> int:
    """Save with the fault at the first, second … call until a save passes; returns how many."""
    for number in range(1, MOST_CALLS):
        run = place / f"{call}-{number}"
        shutil.copytree(good, run)
        when = f"{number}+" if fault.endswith("+") else str(number)
        inject = f"{call}:{fault.removesuffix('+')}:when={when}"
        status, came = server.save(run, 2, inject)
        told = f"{inject}: {status}"
        killed = fault == "signal=KILL"
        assert came or status == 0, told
        if killed:
            assert status == (-signal.SIGKILL if came else 0), told
        standing = [path for path in checkpoint_folders(run) if verify(path) is None]
        assert standing == checkpoint_folders(run), f"{told}: a bad folder under a good name"
        assert (run / "checkpoints" / "step-00000001") in standing, told
        if status == 0:
            assert len(standing) == 2, f"{told}: told as saved, and it is not there"
        found = server.load(run)
        assert found["sum"] == server.sums[str(found["step"])], told
        # What was left behind does not hinder the next save.
        if number % 5 == 1:
            assert server.save(run, 3) == (0, False), told
            assert server.load(run)["sum"] == server.sums["3"], told
        shutil.rmtree(run)
        if not came:
            return number - 1
    raise AssertionError(f"{call}: no end")


@without_strace
@pytest.mark.parametrize("fault", ["signal=KILL", "error=ENOSPC"])
def test_cut_short_where_a_name_or_a_flush_is_made(
    server: SaveServer, good: Path, tmp_path: Path, fault: str
) -> None:
    """The short form of the loop below, in every run of the suite."""
    assert sum(cut_short(server, good, tmp_path, call, fault) for call in ("rename", "mkdir")) > 2


@without_strace
@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", ["signal=KILL", "error=ENOSPC", "error=EIO", "error=ENOSPC+"])
def test_cut_short_at_every_call(
    server: SaveServer, good: Path, tmp_path: Path, fault: str
) -> None:
    began = time.monotonic()
    calls = (*WRITING, *LOOKING) if fault == "signal=KILL" else WRITING
    counts = {call: cut_short(server, good, tmp_path, call, fault) for call in calls}
    assert sum(counts.values()) > 20
    record(
        f"one save, {fault} at every system call",
        points=sum(counts.values()),
        calls={call: count for call, count in counts.items() if count},
        bad_checkpoints=0,
        seconds=round(time.monotonic() - began),
    )


def flips(folder: Path, count: int) -> Iterator[tuple[Path, int, int]]:
    """Yield (file, byte, bit) at random, each file of the checkpoint as likely as another."""
    chosen = random.Random(SEED)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    for _ in range(count):
        path = chosen.choice(files)
        yield path, chosen.randrange(path.stat().st_size), chosen.randrange(8)


def flip(path: Path, at: int, bit: int) -> None:
    """Flip one bit in place; twice is as before."""
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ (1 << bit)]))


def test_every_flipped_bit_is_found(good: Path) -> None:
    (folder,) = checkpoint_folders(good)
    for path, at, bit in flips(folder, 200):
        flip(path, at, bit)
        problem = verify(folder)
        flip(path, at, bit)
        assert problem is not None, f"{path.name}: byte {at}, bit {bit}"
    assert verify(folder) is None
    record("bit flips in a checkpoint", flips=200, found=200)


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_the_command_finds_every_flipped_bit_of_a_real_run(laboratory: Laboratory) -> None:
    run = laboratory.start("flips", "--steps", "2", "--set", "sample.count=0")
    assert laboratory.wait_for_end(run.name)["state"] == "finished"
    assert laboratory.verify(run.name).returncode == 0
    folder = checkpoint_folders(run)[0]
    found = 0
    for path, at, bit in flips(folder, 40):
        flip(path, at, bit)
        found += laboratory.verify(run.name).returncode != 0
        flip(path, at, bit)
    assert laboratory.verify(run.name).returncode == 0
    record("bit flips in a real run, through the command", flips=40, found=found)
    assert found == 40
