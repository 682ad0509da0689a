from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer_core.errors import ConfigError, UserError
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.record.directory import (
    ExitRecord,
    RunDirectory,
    change_meta,
    create_run,
    find_run,
    read_exit,
    read_meta,
    remove_run,
    run_directories,
    write_exit,
)

NewRun = Callable[..., RunDirectory]


def test_a_folder_is_complete_private_and_holds_every_setting(new_run: NewRun) -> None:
    run = new_run(name="first", steps=7)
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{6}", run.id)
    assert run.path.stat().st_mode & 0o077 == 0
    assert run.config().steps == 7
    assert "learning_rate:" in run.config_path.read_text()
    assert read_meta(run).name == "first"
    assert {path.name for path in run.path.iterdir()} == {
        "config.yaml",
        "meta.yaml",
        "control",
        "heartbeat",
        "logs",
    }


def test_a_taken_name_is_refused_and_leaves_nothing(new_run: NewRun) -> None:
    holder = new_run(name="mine")
    with pytest.raises(ConfigError, match=holder.id):
        new_run(name="mine")
    assert len(run_directories()) == 1
    assert [path.name for path in holder.path.parent.iterdir()] == [holder.id]


def _try_name(_: int) -> bool:
    try:
        create_run(RunConfig(name="contested"))
    except ConfigError:
        return False
    return True


def test_two_at_once_cannot_get_one_name(run_home: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        got = pool.map(_try_name, range(8), chunksize=1)
    assert got.count(True) == 1
    assert len(run_directories()) == 1


def test_a_run_is_found_by_name_id_and_unique_beginning(new_run: NewRun) -> None:
    first, second = new_run(name="alpha-one"), new_run(name="alpha-two")
    assert find_run("alpha-one") == first
    assert find_run(second.id) == second
    assert find_run("alpha-t") == second
    with pytest.raises(UserError, match="2 runs begin"):
        find_run("alpha")
    for unknown in ("beta", "", "../x", str(first.path), "\x1b[31m"):
        with pytest.raises(UserError, match="no such run") as caught:
            find_run(unknown)
        assert "\x1b" not in str(caught.value)


def test_an_exact_name_wins_over_a_beginning(new_run: NewRun) -> None:
    short = new_run(name="run")
    new_run(name="run-2")
    assert find_run("run") == short


def test_runs_elsewhere_are_remembered_in_the_state_root(
    run_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOAI_TUI_RUNS", str(tmp_path / "big disk"))
    far = create_run(RunConfig(name="far"))
    assert far.path.parent == tmp_path / "big disk"
    monkeypatch.delenv("MOAI_TUI_RUNS")
    near = create_run(RunConfig())
    assert set(run_directories()) == {far, near}
    remove_run(far)
    assert run_directories() == [near]


def test_newest_run_comes_first(run_home: Path) -> None:
    for run_id in ("20260101-000000-aaaaaa", "20270101-000000-bbbbbb", "20260601-000000-cccccc"):
        (run_home / "runs" / run_id).mkdir(parents=True)
    (run_home / "runs" / ".new-20280101-000000-dddddd").mkdir()
    (run_home / "runs" / "notes").mkdir()
    assert [run.id[:4] + run.id[-1] for run in run_directories()] == ["2027b", "2026c", "2026a"]


def test_a_folder_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(UserError, match="MOAI_TUI_HOME"):
        create_run(RunConfig())


def test_broken_meta_is_no_reason_to_hide_a_run(new_run: NewRun) -> None:
    run = new_run(name="x")
    run.meta_path.write_text("name: [unclosed")
    assert read_meta(run).name is None
    assert find_run(run.id) == run


def test_the_exit_record_is_read_back(new_run: NewRun) -> None:
    run = new_run()
    assert read_exit(run) is None
    write_exit(run, ExitRecord(state="failed", exit_code=2, reason="why"))
    record = read_exit(run)
    assert record is not None
    assert (record.state, record.exit_code, record.reason) == ("failed", 2, "why")


def test_name_tags_and_notes_change_one_by_one_and_whole(new_run: NewRun) -> None:
    run = new_run(name="first")
    other = new_run(name="second")
    created = read_meta(run).created
    change_meta(run, tags=["good", "lora", "good"])
    change_meta(run, notes="[red] \x1b]0;x: as it is\n")
    change_meta(run, name="first")  # its own name is not taken
    meta = read_meta(run)
    assert (meta.name, meta.tags) == ("first", ("good", "lora"))
    assert meta.notes == "[red] \x1b]0;x: as it is\n"
    assert meta.created == created
    for wrong in (
        {"name": "second"},
        {"name": "../up"},
        {"name": "20260101-000000-abcdef"},
        {"tags": ["two words"]},
        {"notes": "x" * 10_001},
    ):
        with pytest.raises(ConfigError):
            change_meta(run, **wrong)
    assert read_meta(run) == meta
    assert change_meta(other, name="").name is None
    assert read_meta(other).name is None
