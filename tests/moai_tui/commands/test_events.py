from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from moai_tui.commands import events as events_module
from trainer_core.run.processes.identity import RunLock, own_identity
from trainer_core.run.record.directory import RunDirectory
from trainer_core.run.record.event_log import EventWriter
from trainer_core.run.record.events import StateChanged, Step

NewRun = Callable[..., RunDirectory]


def write(run: RunDirectory, *numbers: int) -> None:
    writer = EventWriter(run.events_path, attempt=1)
    for number in numbers:
        writer.write(Step(step=number, epoch=0, train_loss=float("nan"), learning_rate=0.1))
    writer.close()


def test_every_event_is_one_json_object_a_line(moai: Any, new_run: NewRun) -> None:
    run = new_run()
    writer = EventWriter(run.supervisor_events_path, attempt=1)
    writer.write(StateChanged(state="running"))
    writer.close()
    write(run, 1, 2)
    for flags in ((), ("--json",)):
        assert moai("events", run.id, *flags) == 0
        rows = [json.loads(line) for line in moai.out.splitlines()]
        assert [row["type"] for row in rows] == ["state_changed", "step", "step"]
        assert (rows[2]["step"], rows[2]["train_loss"]) == (2, "nan")
        assert {"learning_rate", "grad_norm", "tokens", "time"} <= set(rows[1])


def test_following_ends_with_the_run(
    moai: Any, new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run()
    write(run, 1)
    lock = RunLock(run.lock_path)
    lock.acquire(own_identity(0.0))

    def sleep(_: float) -> None:
        write(run, 2)
        lock.release()

    monkeypatch.setattr(events_module.time, "sleep", sleep)
    assert moai("events", run.id, "--follow") == 0
    assert [json.loads(line)["step"] for line in moai.out.splitlines()] == [1, 2]
