"""A checkpoint is what its manifest says, to the last bit, or it is none."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from trainer_core.durable import sha256_of
from trainer_core.run.storage.checkpoints import (
    MANIFEST,
    StoredFile,
    best_of,
    checkpoint_folders,
    leftovers,
    read_manifest,
    step_folder,
    superseded,
    sweep,
    verify,
    write_manifest,
)


def make(run: Path, step: int, eval_loss: float | None = None) -> Path:
    """Write a small checkpoint."""
    folder = step_folder(run, step)
    (folder / "trainer").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(bytes(range(200)))
    (folder / "config.json").write_text("{}")
    extra = {} if eval_loss is None else {"eval_loss": eval_loss}
    state = {"step": step, "world_size": 1, "extra": extra}
    (folder / "trainer" / "state.json").write_text(json.dumps(state))
    files = {
        str(path.relative_to(folder)): StoredFile(bytes=path.stat().st_size, sha256=sha256_of(path))
        for path in folder.rglob("*")
        if path.is_file()
    }
    write_manifest(folder, step, files)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path, 3)


def test_a_whole_one_verifies(folder: Path) -> None:
    read: list[int] = []
    assert verify(folder, read.append) is None
    assert sum(read) == sum(facts.bytes for facts in read_manifest(folder).values())


def test_every_flipped_bit_is_found(folder: Path) -> None:
    """In data, small files and the manifest itself; the seed names the places."""
    draw = random.Random(5)
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        whole = path.read_bytes()
        for _ in range(50):
            broken = bytearray(whole)
            broken[draw.randrange(len(broken))] ^= 1 << draw.randrange(8)
            path.write_bytes(bytes(broken))
            assert verify(folder) is not None, (path, bytes(broken))
        path.write_bytes(whole)
    assert verify(folder) is None


def test_every_cut_is_found(folder: Path) -> None:
    for name in ("model.safetensors", "trainer/state.json", MANIFEST):
        whole = (folder / name).read_bytes()
        for length in range(0, len(whole), 7):
            (folder / name).write_bytes(whole[:length])
            assert verify(folder) is not None
        (folder / name).write_bytes(whole)


def test_missing_strange_and_foreign_files_are_named(folder: Path) -> None:
    (folder / "optimizer.pt").write_bytes(b"pickle")
    assert verify(folder) == "optimizer.pt does not belong to it"
    (folder / "optimizer.pt").unlink()
    (folder / "config.json").unlink()
    assert verify(folder) == "config.json is missing"
    (folder / "config.json").symlink_to("/etc/hostname")
    assert verify(folder) == "config.json points outside the checkpoint"
    (folder / MANIFEST).unlink()
    assert verify(folder) == "its manifest is missing or unreadable"


@pytest.mark.parametrize("name", ["../../secret", "/etc/hostname"])
def test_a_manifest_that_points_outside_is_refused(tmp_path: Path, name: str) -> None:
    folder = step_folder(tmp_path, 1)
    folder.mkdir(parents=True)
    write_manifest(folder, 1, {name: StoredFile(bytes=0, sha256="")})
    assert verify(folder) == f"{name} points outside the checkpoint"


def test_a_folder_under_another_step_is_noticed(folder: Path) -> None:
    moved = folder.with_name("step-00000009")
    folder.rename(moved)
    assert verify(moved) == "its manifest belongs to another step"


def test_the_newest_is_that_of_the_highest_step_and_links_are_none(tmp_path: Path) -> None:
    made = [make(tmp_path, step) for step in (10, 9, 100_000_000)]
    os.utime(made[1], (2e9, 2e9))
    (tmp_path / "checkpoints" / "step-00000200").symlink_to(made[0])
    (tmp_path / "checkpoints" / "step-5").mkdir()
    assert checkpoint_folders(tmp_path) == [made[2], made[0], made[1]]
    assert checkpoint_folders(tmp_path / "nowhere") == []


def test_two_good_ones_and_the_best_stay(tmp_path: Path) -> None:
    made = {step: make(tmp_path, step, loss) for step, loss in
            ((1, 4.0), (2, 2.0), (3, 3.0), (4, None), (5, 2.5))}  # fmt: skip
    assert best_of(made.values()) == made[2]
    assert superseded(tmp_path, 2, lambda path: True) == [made[3], made[1]]
    # The best one is broken: nothing is kept for its sake.
    assert superseded(tmp_path, 2, lambda path: path != made[2]) == [made[3], made[2], made[1]]
    # The newest is broken: two good ones stay behind it.
    assert superseded(tmp_path, 2, lambda path: path != made[5]) == [made[1]]
    assert made[2] not in superseded(tmp_path, 0, lambda path: True)


def test_what_killed_saves_left_is_swept(tmp_path: Path) -> None:
    kept = make(tmp_path, 3)
    for name in ("checkpoints/.tmp-step-00000004-1-1", "checkpoints/.trash-step-1", ".tmp-model-x"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    assert len(leftovers(tmp_path)) == 3
    sweep(tmp_path)
    assert leftovers(tmp_path) == []
    assert verify(kept) is None
