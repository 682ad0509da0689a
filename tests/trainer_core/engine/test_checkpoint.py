"""Checkpoints are whole or absent, and bring back every number."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from transformers import GPT2LMHeadModel

from tests.trainer_core.engine.small import optimizer_of, save, small_model, train
from trainer_core.engine.checkpoint import CheckpointError, latest_checkpoint, load_checkpoint
from trainer_core.run.storage.checkpoints import sweep


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with checkpoints of steps 3 and 6."""
    model = small_model()
    optimizer = optimizer_of(model)
    for step in (3, 6):
        train(model, optimizer, 3)
        save(tmp_path, step, model, optimizer)
    return tmp_path


def test_training_goes_on_to_the_last_digit(tmp_path: Path) -> None:
    model = small_model()
    optimizer = optimizer_of(model)
    train(model, optimizer, 3)
    save(tmp_path, 3, model, optimizer)
    straight = train(model, optimizer, 3)

    resumed = small_model(seed=99)
    fresh = optimizer_of(resumed)
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert (found.step, found.extra) == (3, {"position": 12})
    load_checkpoint(found, model=resumed, optimizer=fresh)
    assert train(resumed, fresh, 3) == straight
    for one, other in zip(model.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_folder_is_a_hugging_face_model_of_its_own(run: Path) -> None:
    found = latest_checkpoint(run)
    assert found is not None
    model = GPT2LMHeadModel.from_pretrained(found.path)
    assert model.config.n_layer == 2
    assert not list(found.path.rglob("*.bin"))
    assert not list(found.path.rglob("*.pt"))


@pytest.mark.parametrize("name", ["model.safetensors", "trainer/optimizer.safetensors"])
@pytest.mark.parametrize("place", [100, -1])
def test_one_flipped_bit_is_found_and_the_one_before_is_taken(
    run: Path, name: str, place: int
) -> None:
    """Safetensors alone loads a flipped data byte without a word."""
    file = run / "checkpoints" / "step-00000006" / name
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(bytes(data))
    found = latest_checkpoint(run)
    assert found is not None
    assert found.step == 3
    assert found.problems == (f"step-00000006: {name} was changed or cut short after it was saved",)


def test_all_bad_is_an_error_and_never_a_fresh_start(run: Path) -> None:
    for folder in (run / "checkpoints").iterdir():
        (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="no good checkpoint is left"):
        latest_checkpoint(run)
    assert latest_checkpoint(run / "elsewhere") is None


def test_what_a_killed_save_left_is_swept(run: Path) -> None:
    shutil.copytree(run / "checkpoints" / "step-00000006", run / "checkpoints" / ".tmp-step-1-1")
    found = latest_checkpoint(run)
    assert found is not None
    assert found.step == 6
    sweep(run)
    assert not (run / "checkpoints" / ".tmp-step-1-1").exists()


def test_a_linked_folder_is_not_a_checkpoint(run: Path, tmp_path: Path) -> None:
    target = run / "elsewhere"
    (run / "checkpoints" / "step-00000006").rename(target)
    (run / "checkpoints" / "step-00000006").symlink_to(target)
    found = latest_checkpoint(run)
    assert found is not None
    assert found.step == 3
