"""Only what nobody would miss is found, and nothing of a run that lives."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.trainer_core.run.storage.test_checkpoints import make
from trainer_core.folders import cache_root, runs_root
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.record.directory import ExitRecord, RunDirectory, create_run, write_exit
from trainer_core.run.storage import cleaning
from trainer_core.run.storage.cleaning import removables, remove, size_of


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """A finished run with three checkpoints, and a cache."""
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run = create_run(RunConfig())
    for step, loss in ((1, 1.0), (2, 2.0), (3, 3.0)):
        make(run.path, step, loss)
    (cache_root() / "tokens" / "abc").mkdir(parents=True)
    (cache_root() / "tokens" / "abc" / "tokens.bin").write_bytes(b"x" * 10_000)
    return run


def names(kind: str) -> list[str]:
    return sorted(Path(item.path).name for item in removables() if item.kind == kind)


def test_of_a_finished_run_the_newest_and_the_best_stay(run: RunDirectory) -> None:
    assert names("superseded") == []
    write_exit(run, ExitRecord(state="finished", exit_code=0))
    run.model_path.mkdir()
    assert names("superseded") == ["step-00000002"]
    for item in removables():
        assert remove(item), item
    assert sorted(os.listdir(run.checkpoints_path)) == ["step-00000001", "step-00000003"]
    assert removables() == ()


def test_broken_ones_do_not_count_as_kept(run: RunDirectory) -> None:
    write_exit(run, ExitRecord(state="finished", exit_code=0))
    run.model_path.mkdir()
    (run.checkpoints_path / "step-00000003" / "model.safetensors").write_bytes(b"")
    assert names("superseded") == []  # step 2 is the newest good one, step 1 the best


def test_a_living_run_and_its_rows_are_left_alone(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run.checkpoints_path / ".tmp-step-00000004-1-1").mkdir()
    found = removables()
    assert sorted(item.kind for item in found) == ["cache", "unfinished"]
    monkeypatch.setattr(cleaning, "liveness", lambda directory: "alive")
    assert removables() == ()
    unfinished = next(item for item in found if item.kind == "unfinished")
    assert not remove(unfinished)
    assert Path(unfinished.path).is_dir()


def test_run_folders_in_the_making_are_left_for_an_hour(run: RunDirectory) -> None:
    folder = runs_root() / ".new-20260101-000000-abcdef"
    folder.mkdir()
    assert names("unfinished") == []
    os.utime(folder, (time.time() - 7200,) * 2)
    assert names("unfinished") == [folder.name]


def test_sizes_are_those_on_the_disk_and_links_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"x" * 100_000)
    (tmp_path / "folder" / "link").symlink_to("/")
    assert 100_000 <= size_of(tmp_path / "folder") < 200_000
    assert size_of(tmp_path / "nothing") == 0
