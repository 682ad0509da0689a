"""The index beside the event files: what is attached to is the same with and without it."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from trainer_core.run.record import history as history_module
from trainer_core.run.record.curve import Curve
from trainer_core.run.record.event_log import EventReader, EventWriter
from trainer_core.run.record.events import Eval, Notice, StateChanged, Step
from trainer_core.run.record.history import INDEX_NAME, RunHistory
from trainer_core.run.record.view import RunView


@pytest.fixture(autouse=True)
def small_indexes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "INDEX_BYTES", 1)


def write_steps(folder: Path, first: int, last: int) -> None:
    writer = EventWriter(folder / "events.jsonl", 1)
    for step in range(first, last + 1):
        loss = math.nan if step == 5 else 9.0 - step / 100
        writer.write(Step(step=step, epoch=0.0, train_loss=loss, learning_rate=1e-3))
        if step % 10 == 0:
            writer.write(Eval(step=step, eval_loss=math.inf, eval_tokens=1))
    writer.close()


def indexed(folder: Path) -> RunHistory:
    history = RunHistory(folder)
    history.catch_up()
    history.save_index()
    return history


def facts(view: RunView) -> dict[str, Any]:
    values = {part.name: getattr(view, part.name) for part in fields(RunView)}
    for name, value in values.items():
        if isinstance(value, Curve):
            parts = [(middle, bucket.count, bucket.last) for middle, bucket in value.points()]
            values[name] = (parts, value.last_step, repr(value.last_value), value.generation)
    return values


def test_what_came_after_the_index_is_all_that_is_read(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / "supervisor.jsonl", 1)
    writer.write(StateChanged(state="running"))
    writer.close()
    write_steps(tmp_path, 1, 40)
    indexed(tmp_path)
    write_steps(tmp_path, 41, 50)
    attached = RunHistory(tmp_path)
    assert attached.view.step is not None
    assert attached.view.step.step == 40
    assert [event.step for event in attached.read() if isinstance(event, Step)] == [*range(41, 51)]
    whole = RunView()
    whole.apply_all(EventReader(tmp_path).read_new())
    assert facts(attached.view) == facts(whole)


@pytest.mark.parametrize("damage", ["replaced", "shorter", "touched in place", "index torn"])
def test_an_index_of_other_bytes_is_left_aside(tmp_path: Path, damage: str) -> None:
    write_steps(tmp_path, 1, 30)
    indexed(tmp_path)
    events = tmp_path / "events.jsonl"
    rows = events.read_bytes().splitlines(keepends=True)
    if damage == "replaced":
        events.unlink()
        write_steps(tmp_path, 1, 90)
    elif damage == "shorter":
        events.write_bytes(b"".join(rows[:-3]))
    elif damage == "touched in place":
        rows[9] = b"#" + rows[9][1:]
        events.write_bytes(b"".join(rows))
    else:
        index = tmp_path / INDEX_NAME
        index.write_bytes(index.read_bytes()[:-20])
    attached = RunHistory(tmp_path)
    assert attached.view.step is None
    attached.catch_up()
    whole = EventReader(tmp_path)
    view = RunView()
    view.apply_all(whole.read_new())
    assert facts(attached.view) == facts(view)
    assert attached.reader.bad_rows == whole.bad_rows == (damage == "touched in place")


def test_bad_rows_stay_counted_and_a_torn_one_is_waited_for(tmp_path: Path) -> None:
    write_steps(tmp_path, 1, 3)
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b'garbage\n{"type":"notice","seq":4,"le')
    indexed(tmp_path)
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b'vel":"info","text":"whole now"}\n')
    attached = RunHistory(tmp_path)
    (event,) = attached.read()
    assert isinstance(event, Notice)
    assert event.text == "whole now"
    assert attached.reader.bad_rows == 1


def test_a_folder_that_cannot_be_written_needs_no_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise PermissionError

    write_steps(tmp_path, 1, 3)
    monkeypatch.setattr(history_module, "write_whole", refuse)
    assert indexed(tmp_path).view.step is not None
    assert not (tmp_path / INDEX_NAME).exists()
