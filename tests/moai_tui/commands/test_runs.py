from __future__ import annotations

import json
from collections.abc import Callable

import msgspec

from moai_tui.commands.runs import state_text
from trainer_core.run.record.directory import ExitRecord, RunDirectory, write_exit
from trainer_core.run.record.summary import RunSummary, Stalled

NewRun = Callable[..., RunDirectory]


def test_no_runs_say_what_to_do(moai: Callable[..., int]) -> None:
    assert moai("runs") == 0
    assert moai.out == "No runs yet. Start one: moai-tui train, or press n in moai-tui.\n"  # type: ignore[attr-defined]


def test_a_row_a_run_newest_first(moai: Callable[..., int], new_run: NewRun) -> None:
    first, second = new_run(name="first"), new_run()
    write_exit(first, ExitRecord(state="finished", exit_code=0))
    assert moai("runs") == 0
    lines = moai.out.splitlines()  # type: ignore[attr-defined]
    assert lines[0].split()[:3] == ["RUN", "NAME", "STATE"]
    rows = {line.split()[0]: line.split()[1:3] for line in lines[1:]}
    assert rows == {first.id: ["first", "finished"], second.id: ["–", "starting"]}
    assert moai("runs", "--json") == 0
    listed = json.loads(moai.out)  # type: ignore[attr-defined]
    assert {run["id"] for run in listed} == {first.id, second.id}


def test_a_stalled_rank_is_named() -> None:
    run = RunSummary(id="x", name=None, path="/x", state="running")
    assert state_text(run) == "running"
    stalled = Stalled(rank=3, phase="training", seconds=40.0)
    assert state_text(msgspec.structs.replace(run, stalled=stalled)) == "running, rank 3 stalled"
