from __future__ import annotations

from collections.abc import Callable

import pytest

from trainer_core.run.overview import listing
from trainer_core.run.overview.listing import RunLister
from trainer_core.run.overview.summarize import base_summary, write_cached
from trainer_core.run.record.directory import ExitRecord, RunDirectory, change_meta, write_exit

NewRun = Callable[..., RunDirectory]


def ended(new_run: NewRun, name: str) -> RunDirectory:
    run = new_run(name=name)
    write_cached(run, base_summary(run))
    write_exit(run, ExitRecord(state="finished", exit_code=0))
    return run


def test_a_run_that_ended_is_read_once_until_its_files_change(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    honest = listing.listed

    def counted(directory: RunDirectory) -> object:
        read.append(directory.id)
        return honest(directory)

    monkeypatch.setattr(listing, "listed", counted)
    first, second = ended(new_run, "first"), ended(new_run, "second")
    lister = RunLister()
    assert [run.state for run in lister.runs()] == ["finished", "finished"]
    read.clear()
    lister.runs()
    assert read == []
    change_meta(first, name="renamed", tags=("warm",))
    named = {run.id: (run.name, run.tags) for run in lister.runs()}
    assert named == {first.id: ("renamed", ("warm",)), second.id: ("second", ())}
    assert read == [first.id]
    first.exit_path.unlink()
    assert {run.id: run.state for run in lister.runs()}[first.id] == "starting"


def test_a_run_without_an_end_is_read_each_time_and_a_removed_one_is_gone(
    new_run: NewRun,
) -> None:
    run = new_run(name="open")
    lister = RunLister()
    assert [one.state for one in lister.runs()] == ["starting"]
    write_exit(run, ExitRecord(state="failed", exit_code=1))
    assert [one.state for one in lister.runs()] == ["failed"]
    run.path.rename(run.path.parent / "elsewhere")
    assert lister.runs() == ()
