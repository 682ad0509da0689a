from __future__ import annotations

from collections.abc import Callable

import pytest

from moai_tui import run_calls
from moai_tui.messages import (
    ControlRequested,
    FormWanted,
    RestoreWanted,
    RunsToCompareWanted,
    TrashWanted,
    WordsChanged,
    WordsWanted,
)
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.processes.identity import RunLock, own_identity
from trainer_core.run.record.control import take_requests
from trainer_core.run.record.directory import RunDirectory, create_run
from trainer_core.run.record.event_log import EventWriter
from trainer_core.run.record.events import RequestAnswered, Step, TrainingEnded

NewRun = Callable[..., RunDirectory]
carry_out = run_calls.carry_out


@pytest.fixture
def new_run(own_folders) -> NewRun:
    """Make run folders in a state root of the test's own."""

    def make(**fields: object) -> RunDirectory:
        return create_run(RunConfig(**fields))

    return make


@pytest.fixture
def living(new_run: NewRun):
    """A run whose supervisor lives: this process holds its lock."""
    run = new_run(name="living")
    lock = RunLock(run.lock_path)
    assert lock.acquire(own_identity(0.0))
    yield run
    lock.release()


def test_a_wish_becomes_a_request_and_the_answer_a_sentence(living, monkeypatch):
    asked = []

    def answered(folder, request_id, seconds):
        asked.extend(take_requests(folder))
        return RequestAnswered(request_id=request_id, action="set", ok=True, step=1200)

    monkeypatch.setattr("trainer_core.run.record.control.wait_for_answer", answered)
    wish = ControlRequested(living.id, "set", (("learning_rate", 1e-4),))
    answer = carry_out(wish)
    assert [(one.action, one.arguments) for one in asked] == [("set", {"learning_rate": 1e-4})]
    assert answer.ok
    assert answer.text == "The run goes on with the new learning rate at step 1,200."


def test_a_run_that_does_not_answer_and_one_that_is_not_running_are_said(
    living, new_run, monkeypatch
):
    monkeypatch.setattr(run_calls, "ANSWER_SECONDS", 0.0)
    assert carry_out(ControlRequested(living.id, "save")).text == (
        "The run was asked; it answers when it can."
    )
    ended = new_run(name="ended")
    answer = carry_out(ControlRequested(ended.id, "pause"))
    assert not answer.ok
    assert "not running" in answer.text
    assert not carry_out(ControlRequested("no-such-run", "pause")).ok


def test_runs_are_read_whole_and_a_missing_one_is_said(new_run):
    run = new_run(name="read", steps=7)
    EventWriter(run.events_path, 1).write(
        Step(step=1, epoch=0.1, train_loss=2.5, learning_rate=1e-3)
    )
    read = carry_out(RunsToCompareWanted((run.id, "gone")))
    assert [one.config.steps for one in read.runs] == [7]
    assert read.runs[0].view.loss.last_value == 2.5
    assert read.wanted == (run.id, "gone")
    assert "gone" in read.problem


def test_the_form_is_filled_from_a_run(new_run):
    run = new_run(name="again", steps=7)
    assert carry_out(FormWanted(run.id)).config.steps == 7
    run.config_path.write_text("steps: [")
    broken = carry_out(FormWanted(run.id))
    assert broken.config is None
    assert "config.yaml" in broken.problem


def test_words_are_kept_and_read_again(new_run):
    run = new_run(name="old-name")
    change = WordsChanged(run.id, "new-name", ("baseline", "warm"), "Twice the rate.")
    assert carry_out(change).ok
    words = carry_out(WordsWanted(run.id))
    assert (words.name, words.tags, words.notes) == (
        "new-name",
        ("baseline", "warm"),
        "Twice the rate.",
    )
    assert words.folder_bytes > 0
    new_run(name="taken")
    refused = carry_out(WordsChanged(run.id, "taken", (), ""))
    assert not refused.ok
    assert "has this name" in refused.text


def test_runs_go_to_the_trash_and_come_back(new_run, living):
    one, two = new_run(name="one"), new_run(name="two")
    folders = (str(one.path), str(two.path))
    answer = carry_out(TrashWanted(folders))
    assert answer.text == "2 runs are in the trash; u undoes it."
    assert not one.path.exists()
    assert carry_out(RestoreWanted(folders)).text == "2 runs are back."
    assert one.path.exists()
    refused = carry_out(TrashWanted((str(living.path),)))
    assert not refused.ok
    assert "stop it" in refused.text


def test_a_paused_run_without_a_supervisor_is_started_again(new_run, monkeypatch):
    started = []
    monkeypatch.setattr("trainer_core.run.supervision.launch.resume", started.append)
    run = new_run(name="paused")
    assert carry_out(ControlRequested(run.id, "resume")).ok
    assert [directory.id for directory in started] == [run.id]


def test_a_run_that_did_not_fit_is_filled_in_with_the_change_that_would(new_run):
    run = new_run(name="too-large", steps=7)
    EventWriter(run.events_path, 1).write(
        TrainingEnded(step=0, reason="failed", change={"micro_batch_size": "4"}, exit_code=1)
    )
    filled = carry_out(FormWanted(run.id))
    assert filled.config.micro_batch_size is None
    assert filled.change == (("micro_batch_size", "4"),)
