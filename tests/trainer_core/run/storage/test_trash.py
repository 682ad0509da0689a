from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer_core.errors import UserError
from trainer_core.run.processes.identity import RunLock, own_identity
from trainer_core.run.record.directory import ExitRecord, RunDirectory, run_directories, write_exit
from trainer_core.run.storage.trash import KEPT_SECONDS, TRASH, content_of, restore_run, trash_run

NewRun = Callable[..., RunDirectory]


def ended(new_run: NewRun, name: str) -> RunDirectory:
    run = new_run(name=name)
    write_exit(run, ExitRecord(state="finished", exit_code=0))
    return run


def test_a_deleted_run_is_listed_no_more_and_comes_back_whole(new_run: NewRun) -> None:
    run = ended(new_run, "first")
    before = sorted(path.name for path in run.path.iterdir())
    trash_run(run)
    assert run_directories() == []
    restore_run(run)
    assert [found.id for found in run_directories()] == [run.id]
    after = sorted(path.name for path in run.path.iterdir() if path.name != "lock")
    assert after == before
    with pytest.raises(UserError, match="not in the trash"):
        restore_run(run)


def test_a_run_that_lives_is_not_deleted(new_run: NewRun) -> None:
    run = new_run(name="busy")
    lock = RunLock(run.lock_path)
    assert lock.acquire(own_identity(0.0))
    with pytest.raises(UserError, match="stop it before"):
        trash_run(run)
    assert run.path.is_dir()
    lock.release()
    trash_run(run)


def test_what_lay_there_for_a_week_goes_with_the_next_one(new_run: NewRun) -> None:
    old, young, new = (ended(new_run, name) for name in ("old", "young", "new"))
    trash_run(old)
    trash_run(young)
    trash = old.path.parent / TRASH
    stamp = (trash / old.id).stat().st_mtime - KEPT_SECONDS - 1
    os.utime(trash / old.id, (stamp, stamp))
    trash_run(new)
    assert {path.name for path in trash.iterdir()} == {young.id, new.id}


def test_what_would_be_lost_is_counted(new_run: NewRun) -> None:
    run = new_run(name="full")
    (run.checkpoints_path / "step-00000010").mkdir(parents=True)
    (run.checkpoints_path / "step-00000010" / "weights").write_bytes(bytes(5000))
    empty = content_of(RunDirectory(Path("/nowhere")))
    assert (empty.size_bytes, empty.checkpoints, empty.has_model) == (0, 0, False)
    run.model_path.mkdir()
    found = content_of(run)
    assert found.size_bytes > 5000
    assert (found.checkpoints, found.has_model) == (1, True)
