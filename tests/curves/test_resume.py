"""A run that crashed anywhere ends in the numbers of the run that never did."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.trainer_core.engine.conftest import small_model
from trainer_core.engine import rank, trainer
from trainer_core.engine.data.tokenizer import load_tokenizer

pytestmark = pytest.mark.curves

# 96 rows packed into few: 12 steps are several epochs of 4 micro-batches a step.
SETTINGS = {
    "sequence_length": 128,
    "global_batch_size": 8,
    "micro_batch_size": 2,
    "steps": 9,
    "optimizer": {"warmup_steps": 4},
    "checkpoint": {"every_steps": 2},
}
CRASHES = ((2, 0), (4, 1), (4, 2), (8, 1))
"""(step, micro-batch): after the first checkpoint, twice in one step, in a later epoch."""


@pytest.fixture(scope="module")
def model(folders: Path) -> Path:
    """Two layers: what is tested is the same for any."""
    path = folders / "two-layers"
    tokenizer = load_tokenizer("tiny")
    small_model("gpt2", vocab_size=len(tokenizer), n_positions=128).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def rows(folders: Path) -> Path:
    path = folders / "rows.jsonl"
    words = "read write open close first last value index".split()
    lines = [
        {"prompt": words[n % 8], "completion": " ".join(words[n * k % 8] for k in range(1, 40))}
        for n in range(96)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


class Crash(BaseException):
    """Goes through everything: nothing is saved, closed or told that was not before."""


def train(folder: Path, crashes: Sequence[tuple[int, int]]) -> int:
    """Train what stands in a folder, crashing at each place, attempt after attempt."""
    inner = trainer.Trainer._forward_backward
    for attempt, place in enumerate([*crashes, None], start=1):
        os.environ["MOAI_TUI_ATTEMPT"] = str(attempt)

        def crashing(self, micro_batches, counted_tokens, place=place):
            if place is not None and self.step + 1 == place[0]:
                inner(self, micro_batches[: place[1]], counted_tokens)
                raise Crash
            return inner(self, micro_batches, counted_tokens)

        trainer.Trainer._forward_backward = crashing  # type: ignore[method-assign]
        try:
            return rank.main(folder)
        except Crash:
            # A killed process takes its writer along; this one must not meet the next attempt.
            for thread in threading.enumerate():
                if thread.name == "checkpoint":
                    thread.join()
        finally:
            trainer.Trainer._forward_backward = inner  # type: ignore[method-assign]
    return 1


def curve_of(folder: Path) -> dict[int, float]:
    """Return step → loss; a step that was taken again must have had the same loss."""
    found: dict[int, float] = {}
    for line in (folder / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["type"] == "step":
            assert found.setdefault(event["step"], event["train_loss"]) == event["train_loss"]
    return found


def sum_of_weights(folder: Path) -> str:
    return hashlib.sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()


def two_runs(make_folder, model: Path, rows: Path) -> list[Path]:
    """Return the folders of a run that goes straight on and of one that crashes."""
    return [
        make_folder(f"{kind}-by-crashes", model=str(model), dataset=str(rows), **SETTINGS)
        for kind in ("straight", "crashed")
    ]


def assert_nothing_shows(straight: Path, crashed: Path) -> None:
    curve = curve_of(crashed)
    assert sorted(curve) == list(range(1, 10))
    assert curve == curve_of(straight)
    assert sum_of_weights(crashed) == sum_of_weights(straight)
    attempts = [
        event["resumed_from_step"]
        for event in map(json.loads, (crashed / "events.jsonl").read_text().splitlines())
        if event["type"] == "run_started"
    ]
    assert attempts == [None, 1, 2, 2, 6]


def test_crashes_do_not_show(make_folder, model, rows, monkeypatch) -> None:
    monkeypatch.setenv("MOAI_TUI_ATTEMPT", "1")  # put back afterwards
    folders = two_runs(make_folder, model, rows)
    assert [train(path, crashes) for path, crashes in zip(folders, ((), CRASHES), strict=True)] == [
        0,
        0,
    ]
    assert_nothing_shows(*folders)
