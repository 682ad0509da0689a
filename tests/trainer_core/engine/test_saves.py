"""A full disk holds the run and lets it go on; it costs no checkpoint and no digit."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from trainer_core.engine import rank, saves, tensor_file, trainer
from trainer_core.run.record.control import accept_request, new_request
from trainer_core.run.storage.checkpoints import checkpoint_folders, leftovers, verify

QUIET = {"sample": {"count": 0}, "data": {"eval_fraction": 0.0}}


class Disk:
    """A disk that refuses everything while it is full."""

    def __init__(self) -> None:
        self.full_for = 0
        """Looks at its room until there is some."""
        self.error = errno.ENOSPC
        self.looks: Callable[[], None] = lambda: None

    def free(self) -> int:
        self.looks()
        if self.full_for > 0:
            self.full_for -= 1
            return 0
        return 1 << 40


@pytest.fixture
def disk(monkeypatch):
    """What saves write to; full once a test says so."""
    disk = Disk()
    inner = tensor_file.write_pieces

    def write(path, pieces):
        if disk.full_for > 0:
            raise OSError(disk.error, "No space left on device")
        return inner(path, pieces)

    monkeypatch.setattr(tensor_file, "write_pieces", write)
    monkeypatch.setattr(saves.Saves, "_free_bytes", lambda self: disk.free())
    monkeypatch.setattr(saves, "LOOK_SECONDS", 0.001)
    return disk


@pytest.fixture
def at_step(monkeypatch):
    """Return a setter of what happens right after an optimizer step."""
    inner = trainer.Trainer._train_step
    wanted: dict[int, Callable[[], None]] = {}

    def stepping(self, step):
        inner(self, step)
        wanted.pop(step, lambda: None)()

    monkeypatch.setattr(trainer.Trainer, "_train_step", stepping)
    return wanted.__setitem__


def losses(events):
    return [event["train_loss"] for event in events]


def test_a_full_disk_holds_the_run_until_there_is_room(make_run, read_events, disk, at_step):
    settings = {"steps": 6, "checkpoint": {"every_steps": 2}, **QUIET}
    straight = make_run("straight", **settings)
    assert rank.main(straight) == 0
    folder = make_run("full", **settings)
    reserve, seen = folder / saves.RESERVE, []
    disk.looks = lambda: seen.append(reserve.exists())

    def fill():
        seen.append(reserve.stat().st_blocks * 512 >= saves.RESERVE_BYTES)
        disk.full_for = 5

    at_step(4, fill)
    assert rank.main(folder) == 0
    # Given back before the first look, so that what holds the run can be written down.
    assert seen[:2] == [True, False]
    assert not reserve.exists()
    held, freed = read_events(folder, "held")
    assert "No space left on device" in held["reason"]
    assert held["free_bytes"] < held["needed_bytes"]
    assert freed["reason"] is None
    saved = [event["step"] for event in read_events(folder, "checkpoint_saved")]
    assert saved[:2] == [1, 2]
    assert saved[-1] == 6
    assert losses(read_events(folder, "step")) == losses(read_events(straight, "step"))
    assert leftovers(folder) == []
    assert all(verify(path) is None for path in checkpoint_folders(folder))


def test_a_stop_ends_a_run_that_a_full_disk_holds(make_run, read_events, disk, at_step):
    folder = make_run("full", steps=6, checkpoint={"every_steps": 2}, **QUIET)

    def fill():
        disk.full_for = 1 << 30
        disk.looks = lambda: accept_request(folder, new_request("stop"))

    at_step(4, fill)
    assert rank.main(folder) == 0
    (ended,) = read_events(folder, "training_ended")
    assert ended["reason"] == "stopped"
    assert any("could not be saved" in event["text"] for event in read_events(folder, "notice"))
    assert max(int(path.name[5:]) for path in checkpoint_folders(folder)) == 2
    assert all(verify(path) is None for path in checkpoint_folders(folder))


def test_a_stop_on_a_full_disk_does_not_wait(make_run, read_events, disk, at_step):
    folder = make_run("full", steps=6, checkpoint={"every_steps": 0}, **QUIET)

    def fill():
        disk.full_for = 1 << 30
        accept_request(folder, new_request("stop"))

    at_step(3, fill)
    assert rank.main(folder) == 0
    assert not read_events(folder, "held")
    (notice,) = read_events(folder, "notice")
    assert "resume goes on from the checkpoint before" in notice["text"]
    assert [path.name for path in checkpoint_folders(folder)] == ["step-00000001"]


def test_another_fault_is_told_and_training_goes_on(make_run, read_events, disk, at_step):
    folder = make_run("broken", steps=6, checkpoint={"every_steps": 2}, **QUIET)
    disk.error = errno.EIO
    at_step(4, lambda: setattr(disk, "full_for", 1))
    at_step(5, lambda: setattr(disk, "full_for", 0))
    assert rank.main(folder) == 0
    assert not read_events(folder, "held")
    (notice,) = read_events(folder, "notice")
    assert "checkpoint of step 4 could not be saved" in notice["text"]
    assert [event["step"] for event in read_events(folder, "checkpoint_saved")] == [1, 2, 6]


def test_a_quota_that_shows_no_room_is_tried_again(
    make_run, read_events, disk, at_step, monkeypatch
):
    monkeypatch.setattr(saves, "QUOTA_SECONDS", 0.01)
    folder = make_run("quota", steps=4, checkpoint={"every_steps": 2}, **QUIET)
    disk.error = errno.EDQUOT
    monkeypatch.setattr(saves.Saves, "_free_bytes", lambda self: 1 << 40)
    looks = []
    disk.looks = lambda: None
    inner = saves.Saves.hold

    def hold(self, problem, ask):
        looks.append(problem)
        if len(looks) == 3:
            disk.full_for = 0
        return inner(self, problem, ask)

    monkeypatch.setattr(saves.Saves, "hold", hold)
    at_step(2, lambda: setattr(disk, "full_for", 1 << 30))
    assert rank.main(folder) == 0
    assert len(looks) == 3
    assert len(read_events(folder, "held")) == 6


def test_a_model_folder_waits_for_room_too(make_run, read_events, disk, monkeypatch):
    from trainer_core.engine import model_folder

    folder = make_run("late", steps=2, **QUIET)
    inner, tries = model_folder.write_model_files, []

    def write(*arguments):
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("Error while serializing: I/O error: … (os error 28)")
        return inner(*arguments)

    monkeypatch.setattr(model_folder, "write_model_files", write)
    assert rank.main(folder) == 0
    assert [event["reason"] is None for event in read_events(folder, "held")] == [False, True]
    assert (folder / "model" / "model.safetensors").is_file()
