"""Written aside and published by one: whatever fails, the checkpoints before it stay."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path

import pytest

from tests.trainer_core.engine.small import optimizer_of, save, small_model, train
from trainer_core.engine import saver as savers
from trainer_core.engine import tensor_file
from trainer_core.engine.checkpoint import latest_checkpoint
from trainer_core.engine.distributed import World
from trainer_core.engine.model import add_adapters
from trainer_core.run.config.run_config import LoraConfig
from trainer_core.run.storage.checkpoints import checkpoint_folders, leftovers, verify


@pytest.fixture
def model():
    return small_model()


@pytest.fixture
def optimizer(model):
    optimizer = optimizer_of(model)
    train(model, optimizer, 1)
    return optimizer


def steps(run: Path) -> list[int]:
    return [int(path.name[5:]) for path in checkpoint_folders(run)]


def test_retention_counts_only_good_ones(tmp_path, model, optimizer):
    """The newest is broken: the good ones before stay, and the next save counts them."""
    for step in (3, 6):
        save(tmp_path, step, model, optimizer)
    (tmp_path / "checkpoints" / "step-00000006" / "model.safetensors").write_bytes(b"broken")
    save(tmp_path, 9, model, optimizer)
    assert steps(tmp_path) == [9, 6, 3]
    save(tmp_path, 12, model, optimizer)
    assert steps(tmp_path) == [12, 9]
    assert leftovers(tmp_path) == []


def test_the_best_one_stays_beside_the_newest(tmp_path, model, optimizer):
    for step, loss in ((1, 3.0), (2, 1.5), (3, 2.0), (4, 2.5), (5, 2.6)):
        save(tmp_path, step, model, optimizer, facts={"eval_loss": loss})
    assert steps(tmp_path) == [5, 4, 2]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("call", range(1, 40, 4))
def test_a_disk_that_refuses_anywhere_costs_only_this_save(
    tmp_path, model, optimizer, monkeypatch, call, number
):
    """Every fourth write, flush or rename of one save fails once."""
    assert save(tmp_path, 3, model, optimizer) is None
    calls = [0]

    def failing(inner):
        def refuse(*arguments, **settings):
            if threading.current_thread() is not threading.main_thread():
                calls[0] += 1
                if calls[0] == call:
                    raise OSError(number, os.strerror(number))
            return inner(*arguments, **settings)

        return refuse

    for name in ("write", "fsync", "rename"):
        monkeypatch.setattr(os, name, failing(getattr(os, name)))
    monkeypatch.setattr(Path, "replace", failing(Path.replace))
    problem = save(tmp_path, 6, model, optimizer)
    monkeypatch.undo()
    found = latest_checkpoint(tmp_path)
    assert found is not None
    if problem is None:
        assert found.step == 6
    else:
        assert problem.disk_is_full == (number != errno.EIO)
        assert problem.text == os.strerror(number)
        assert problem.needed_bytes > 4096
    assert verify(tmp_path / "checkpoints" / "step-00000003") is None
    assert save(tmp_path, 9, model, optimizer, attempt=2) is None
    assert latest_checkpoint(tmp_path).step == 9


def test_a_rank_that_cannot_write_leaves_nothing_published(tmp_path, model, optimizer, monkeypatch):
    """Two ranks in one process: what the second says reaches the first through the reduction."""
    failed = threading.Event()
    inner = tensor_file.write_pieces

    def refusing(path, pieces):
        if "00002-of" in path.name:
            failed.set()
            raise OSError(errno.ENOSPC, "No space left on device")
        return inner(path, pieces)

    def largest(values):
        return (2 if failed.is_set() else values[0], *values[1:])

    monkeypatch.setattr(tensor_file, "write_pieces", refusing)
    monkeypatch.setattr(savers, "largest_over_ranks", largest)
    worlds = [World(rank=rank, size=2) for rank in range(2)]
    ranks = [
        threading.Thread(target=save, args=(tmp_path, 4, model, optimizer), kwargs={"world": world})
        for world in worlds
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(60)
    assert not any(rank.is_alive() for rank in ranks)
    assert steps(tmp_path) == []


def test_only_one_save_is_written_at_a_time(tmp_path, model, optimizer, monkeypatch):
    go_on = threading.Event()
    inner = savers.write_manifest

    def waiting(*arguments):
        assert go_on.wait(60)
        return inner(*arguments)

    monkeypatch.setattr(savers, "write_manifest", waiting)
    monkeypatch.setattr(savers.Saver, "wait", lambda self: self)
    first = save(tmp_path, 1, model, optimizer)
    monkeypatch.undo()
    assert first.in_flight
    assert first.wait(0.0) is None
    assert first.in_flight
    with pytest.raises(RuntimeError, match="in flight"):
        first.start(first._job.snapshot, 0.0)
    go_on.set()
    assert first.wait() is None
    assert not first.in_flight
    assert steps(tmp_path) == [1]


def test_adapters_are_a_folder_peft_loads(tmp_path):
    from peft import PeftModel

    model = add_adapters(small_model(), LoraConfig(rank=2))
    optimizer = optimizer_of(model)
    train(model, optimizer, 2)
    assert save(tmp_path, 2, model, optimizer) is None
    found = latest_checkpoint(tmp_path)
    assert found is not None
    names = json.loads((found.path / "MANIFEST.json").read_text())["files"]
    assert "model.safetensors" not in names  # the base model is not stored again
    loaded = PeftModel.from_pretrained(small_model(), found.path)
    mine, theirs = model.state_dict(), loaded.state_dict()
    for name in (name for name in mine if "lora_" in name):
        assert mine[name].equal(theirs[name]), name
