"""`kill -9` of ranks and supervisor at random moments: the run ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.laboratory import (
    Laboratory,
    Tail,
    losses_of,
    newest_checkpoint,
    processes_of,
    record,
    sums_of,
    wait_until,
)

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1500)]

SMALL = (
    *("--model", "tiny", "--from-scratch", "--sequence-length", "64", "--global-batch-size", "4"),
    *("--set", "sample.count=0", "--set", "eval.every_steps=1000000"),
)
WATCHED_SECONDS = 300.0


class Killer:
    """Follows a run and kills a part of it whenever it has made progress."""

    def __init__(self, laboratory: Laboratory, folder: Path, kills: int) -> None:
        self.laboratory, self.folder, self.left = laboratory, folder, kills
        self.tail = Tail(folder)
        self.kills: list[tuple[str, int]] = []
        self.resumes = 0

    def run(self) -> dict[str, Any]:
        """Kill until the number is reached, then let the run end."""
        while self.left:
            if not self._progressed():
                break
            time.sleep(self.laboratory.random.uniform(0.0, 0.4))
            self._kill_one()
        summary = self._ended()
        while summary["state"] in ("lost", "failed"):
            self._resume()
            summary = self._ended()
        self.tail.read()
        return summary

    def _progressed(self) -> bool:
        """Wait for a step that no attempt has made before; False when the run finished."""
        furthest = max(losses_of(self.tail.rows), default=0)
        end = time.monotonic() + WATCHED_SECONDS
        looked = time.monotonic()
        while time.monotonic() < end:
            if any(row["type"] == "step" and row["step"] > furthest for row in self.tail.read()):
                return True
            if time.monotonic() - looked > 2.0:
                looked = time.monotonic()
                state = self.laboratory.show(self.folder.name)["state"]
                if state == "finished":
                    return False
                if state in ("lost", "failed"):
                    self._resume()
            time.sleep(0.01)
        raise AssertionError("no progress")

    def _kill_one(self) -> None:
        living = processes_of(self.folder.name, self.laboratory.place)
        ranks = [pid for pid, kind in living.items() if kind == "rank"]
        supervisors = [pid for pid, kind in living.items() if kind == "supervise"]
        wanted = supervisors if self.laboratory.random.random() < 0.35 else ranks
        if not wanted:
            return
        pid = self.laboratory.random.choice(sorted(wanted))
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.left -= 1
        last = max(losses_of(self.tail.rows), default=0)
        self.kills.append((living[pid], last))
        if living[pid] == "supervise":
            # Ranks must not outlive it: nobody would restart or stop them.
            wait_until(lambda: not processes_of(self.folder.name, self.laboratory.place), 20.0)

    def _ended(self) -> dict[str, Any]:
        return self.laboratory.wait_for_end(self.folder.name)

    def _resume(self) -> None:
        self.resumes += 1
        self.laboratory.moai("resume", self.folder.name, "--detach")


def same_to_the_last_bit(laboratory: Laboratory, folder: Path, reference: Path) -> None:
    """Every loss ever told, the final checkpoint and the model equal the uninterrupted run's."""
    straight, broken = Tail(reference), Tail(folder)
    straight.read()
    broken.read()
    expected, found = losses_of(straight.rows), losses_of(broken.rows)
    assert found == expected
    assert sums_of(newest_checkpoint(folder)) == sums_of(newest_checkpoint(reference))
    assert sums_of(folder / "model") == sums_of(reference / "model")
    assert broken.bad_rows == 0
    checked = laboratory.verify(folder.name)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert not [path.name for path in (folder / "checkpoints").iterdir() if path.name[0] == "."]


@pytest.mark.parametrize(
    ("strategy", "kills", "steps"), [("ddp", 20, 500), ("fsdp", 6, 260)], ids=["ddp", "fsdp"]
)
def test_killed_again_and_again_the_end_is_the_same(
    laboratory: Laboratory, strategy: str, kills: int, steps: int
) -> None:
    settings = (
        *SMALL,
        *("--size", "Medium", "--steps", str(steps), "--set", f"parallel.strategy={strategy}"),
        *("--set", "checkpoint.every_steps=5"),
    )
    began = time.monotonic()
    reference = laboratory.start(f"{strategy}-straight", *settings)
    assert laboratory.wait_for_end(reference.name)["state"] == "finished"
    folder = laboratory.start(f"{strategy}-killed", *settings)
    killer = Killer(laboratory, folder, kills)
    summary = killer.run()
    assert summary["state"] == "finished", summary
    assert len(killer.kills) == kills, "the run was too short for so many kills"
    same_to_the_last_bit(laboratory, folder, reference)
    assert processes_of(folder.name, laboratory.place) == {}
    steps_made = [row["step"] for row in killer.tail.rows if row["type"] == "step"]
    record(
        f"random kill -9, 2 ranks, {strategy}",
        kills=len(killer.kills),
        of_supervisor=sum(kind == "supervise" for kind, _ in killer.kills),
        resumes=killer.resumes,
        attempts=summary["attempt"],
        steps=steps,
        steps_made_again=len(steps_made) - len(set(steps_made)),
        losses_that_differ=0,
        seconds=round(time.monotonic() - began),
        kills_at=json.dumps([step for _, step in killer.kills]),
    )
