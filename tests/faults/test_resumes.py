"""Resumed at every step of three epochs, and once more from the next: the same to the last bit."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.faults.laboratory import Laboratory, Tail, losses_of, record, sums_of

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]

NEVER = 1_000_000
"""Steps between two checkpoints of a run that is not looked at again."""
FLOAT_NOISE = 5e-5
"""Relative: sums of fp32 in another order, carried through a few steps of a fresh model."""


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


def left_at(folder: Path, step: int, place: Path, *, saves_every: int = 1) -> Path:
    """Return a copy of a run as if it had died right after the checkpoint of a step.

    It saves as rarely as its test allows: checkpoints are most of its time.
    """
    copy = place / f"{step:03}-{folder.name[-12:]}"
    copy.mkdir()
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["checkpoint"]["every_steps"] = saves_every
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
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
        "straight", "--model", "tiny", "--from-scratch",
        "--sequence-length", "64", "--global-batch-size", "4",
        "--epochs", "3", "--set", "sample.count=0", "--set", "eval.every_steps=1000000",
        "--set", "checkpoint.every_steps=1", "--set", "checkpoint.keep=1000", rows=18,
    )  # fmt: skip
    summary = laboratory.wait_for_end(reference.name)
    assert summary["state"] == "finished"
    last = summary["total_steps"]
    ranks = Ranks(laboratory)
    place = laboratory.place / "resumed"
    place.mkdir()
    resumes = 0
    for step in range(1, last):
        first = left_at(reference, step, place, saves_every=step + 1)
        ranks.train(first, 2)
        goes_on_alike(first, step, reference)
        resumes += 1
        if step + 1 < last:
            second = left_at(first, step + 1, place, saves_every=NEVER)
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


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_one_rank_two_ranks_and_one_again(laboratory: Laboratory, strategy: str) -> None:
    """Only when asked for, said in the events, and the losses differ by rounding alone."""
    began = time.monotonic()
    one = laboratory.start(
        "one", "--model", "tiny", "--from-scratch",
        "--sequence-length", "64", "--global-batch-size", "4",
        "--steps", "12", "--set", "sample.count=0", "--set", "eval.every_steps=1000000",
        "--set", "checkpoint.every_steps=1", "--set", "checkpoint.keep=1000", "--size", "Small",
    )  # fmt: skip
    assert laboratory.wait_for_end(one.name)["state"] == "finished"
    two = moved(laboratory, one, step=4, size="Medium", strategy=strategy)
    again = moved(laboratory, two, step=8, size="Small", strategy="auto")
    straight = Tail(one)
    straight.read()
    expected = {at: float.fromhex(*loss) for at, loss in losses_of(straight.rows).items()}
    differences = []
    for folder, first, ranks in ((two, 5, (1, 2)), (again, 9, (2, 1))):
        tail = Tail(folder)
        tail.read()
        found = {at: float.fromhex(*loss) for at, loss in losses_of(tail.rows).items()}
        assert sorted(found) == list(range(first, 13))
        differences += [abs(loss / expected[at] - 1) for at, loss in found.items()]
        told = [row["text"] for row in tail.rows if row["type"] == "notice"]
        made, go_on = ranks
        assert any(f"made by {made} ranks, {go_on} go on from it" in text for text in told), told
    assert max(differences) < FLOAT_NOISE
    record(
        f"one rank, two ({strategy}), one again",
        losses=len(differences),
        largest_relative_difference=f"{max(differences):.1e}",
        seconds=round(time.monotonic() - began),
    )


def moved(laboratory: Laboratory, before: Path, *, step: int, size: str, strategy: str) -> Path:
    """Go on from a step of a run on another number of devices; returns the folder of the copy."""
    run = left_at(before, step, before.parent)
    run = run.rename(run.with_name(f"2026010{step}-000000-{before.name[-6:]}"))
    config = run / "config.yaml"
    chosen = yaml.safe_load(config.read_text())
    # What `resume --size` writes, with the strategy named.
    chosen |= {"size": size, "devices": [], "micro_batch_size": None}
    chosen["parallel"] = {"strategy": strategy}
    config.write_text(yaml.safe_dump(chosen))
    laboratory.moai("resume", run.name, "--detach")
    assert laboratory.wait_for_end(run.name)["state"] == "finished"
    return run
