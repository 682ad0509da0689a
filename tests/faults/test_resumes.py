"""Resumed at every step of three epochs, and once more from the next: the same to the last bit."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.laboratory import Laboratory, Tail, losses_of, record, sums_of

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]


class Ranks:
    """`rank_server.py`: attempts of a run that cost no import."""

    def __init__(self, laboratory: Laboratory) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("rank_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=laboratory.environment,
            cwd=laboratory.place,
        )
        assert self._answer() == "ready"

    def train(self, folder: Path, attempt: int) -> None:
        """Run one attempt to its end."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"folder": str(folder), "attempt": attempt}) + "\n")
        self.process.stdin.flush()
        code = self._answer()
        assert code == "0", (folder / "logs" / "rank-0.log").read_text()[-2000:]

    def end(self) -> None:
        """End the server."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def left_at(folder: Path, step: int, place: Path) -> Path:
    """Return a copy of a run as if it had died right after the checkpoint of a step."""
    copy = place / f"{step:03}-{folder.name[-12:]}"
    copy.mkdir()
    shutil.copy(folder / "config.yaml", copy)
    shutil.copy(folder / "meta.yaml", copy)
    for name in ("control", "heartbeat", "logs"):
        (copy / name).mkdir()
    name = f"checkpoints/step-{step:08}"
    shutil.copytree(folder / name, copy / name)
    return copy


def goes_on_alike(folder: Path, step: int, reference: Path) -> None:
    """Every loss and every checkpoint after a step equal the uninterrupted run's."""
    straight, resumed = Tail(reference), Tail(folder)
    straight.read()
    resumed.read()
    expected = {at: loss for at, loss in losses_of(straight.rows).items() if at > step}
    assert losses_of(resumed.rows) == expected, f"resumed at step {step}"
    for checkpoint in (folder / "checkpoints").glob("step-*"):
        assert sums_of(checkpoint) == sums_of(reference / "checkpoints" / checkpoint.name)
    assert sums_of(folder / "model") == sums_of(reference / "model")


def test_resumed_at_every_step_and_again(laboratory: Laboratory) -> None:
    began = time.monotonic()
    reference = laboratory.start(
        "straight", "--model", "tiny", "--sequence-length", "64", "--global-batch-size", "4",
        "--epochs", "3", "--set", "sample.count=0", "--set", "eval.every_steps=1000000",
        "--set", "checkpoint.every_steps=1", "--set", "checkpoint.keep=1000",
    )  # fmt: skip
    summary = laboratory.wait_for_end(reference.name)
    assert summary["state"] == "finished"
    last = summary["total_steps"]
    ranks = Ranks(laboratory)
    place = laboratory.place / "resumed"
    place.mkdir()
    resumes = 0
    for step in range(1, last):
        first = left_at(reference, step, place)
        ranks.train(first, 2)
        goes_on_alike(first, step, reference)
        resumes += 1
        if step + 1 < last:
            second = left_at(first, step + 1, place)
            ranks.train(second, 3)
            goes_on_alike(second, step + 1, reference)
            resumes += 1
            shutil.rmtree(second)
        shutil.rmtree(first)
    ranks.end()
    record(
        "resumed at every step of three epochs, twice",
        steps=last,
        resumes=resumes,
        losses_that_differ=0,
        tensors_that_differ=0,
        seconds=round(time.monotonic() - began),
    )
