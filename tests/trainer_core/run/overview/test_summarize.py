from __future__ import annotations

import json
import time
from collections.abc import Callable

import msgspec
import pytest

from tests.run_events import run_started
from trainer_core.run.overview import summarize as summarize_module
from trainer_core.run.overview.summarize import (
    list_runs,
    read_cached,
    read_view,
    summarize,
    with_numbers,
    write_cached,
)
from trainer_core.run.processes.identity import RunLock, own_identity
from trainer_core.run.record.directory import ExitRecord, RunDirectory, read_meta, write_exit
from trainer_core.run.record.event_log import EventWriter
from trainer_core.run.record.events import (
    CheckpointSaved,
    Eval,
    Event,
    ModelSaved,
    Phase,
    RunEnded,
    RunStarted,
    StateChanged,
    Step,
)
from trainer_core.run.record.summary import Stalled

NewRun = Callable[..., RunDirectory]
PROMISED = (
    "id name state stalled step total_steps train_loss eval_loss tokens_per_second "
    "padded_tokens_per_second mfu peak_memory_bytes predicted_memory_bytes "
    "time_to_first_step_seconds elapsed_seconds eta_seconds exit_code exit_reason plan"
).split()


def write(run: RunDirectory, name: str, *events: Event) -> None:
    writer = EventWriter(run.path / name, attempt=1)
    for event in events:
        writer.write(event)
    writer.close()


def started(total_steps: int = 10) -> RunStarted:
    return run_started(total_steps=total_steps, plan="one device", predicted_memory_bytes=1000)


def step(number: int) -> Step:
    return Step(
        step=number,
        epoch=0.1,
        train_loss=3.0,
        learning_rate=1e-3,
        tokens=100,
        padded_tokens=150,
        step_seconds=0.5,
        mfu=0.25,
        peak_memory_bytes=900 + number,
    )


def running(run: RunDirectory) -> RunLock:
    write(run, "supervisor.jsonl", StateChanged(state="starting"), StateChanged(state="running"))
    write(
        run,
        "events.jsonl",
        Phase(name="loading"),
        started(),
        Eval(step=0, eval_loss=5.0, eval_tokens=9, bits_per_byte=3.0),
        Phase(name="training"),
        step(1),
        step(2),
        step(3),
        Eval(step=3, eval_loss=4.0, eval_tokens=9, bits_per_byte=2.5),
        CheckpointSaved(step=3, path="checkpoints/step-00000003", bytes=1, seconds=0.1),
        ModelSaved(step=3, path="model", bytes=1, seconds=0.1),
    )
    lock = RunLock(run.lock_path)
    lock.acquire(own_identity(time.time()))
    return lock


def test_every_number_comes_from_the_events(new_run: NewRun) -> None:
    run = new_run(name="n", size="Small")
    lock = running(run)
    summary = summarize(run)
    lock.release()
    assert (summary.state, summary.step, summary.total_steps) == ("running", 3, 10)
    assert (summary.first_eval_loss, summary.eval_loss, summary.bits_per_byte) == (5.0, 4.0, 2.5)
    assert summary.tokens_per_second == 200.0
    assert summary.padded_tokens_per_second == 300.0
    assert (summary.peak_memory_bytes, summary.predicted_memory_bytes) == (903, 1000)
    assert summary.eta_seconds == pytest.approx(3.6), "steps, and a save at the end"
    assert summary.model_path == str(run.model_path)
    assert summary.last_checkpoint_step == 3
    assert summary.time_to_first_step_seconds is not None
    assert summary.host == own_identity(0.0).host


def test_promised_keys_stand_in_the_json(new_run: NewRun) -> None:
    shown = json.loads(msgspec.json.encode(summarize(new_run())))
    assert set(PROMISED) <= set(shown)


def test_without_supervisor_and_exit_record_a_run_is_lost(new_run: NewRun) -> None:
    run = new_run()
    running(run).release()
    summary = summarize(run)
    assert (summary.state, summary.exit_code) == ("lost", 1)
    assert summary.eta_seconds is None
    write_cached(run, msgspec.structs.replace(summary, state="running"))
    assert list_runs()[0].state == "lost"


def test_a_restarted_host_is_said(new_run: NewRun) -> None:
    run = new_run()
    running(run).release()
    holder = msgspec.structs.replace(own_identity(0.0), boot_id="before")
    run.lock_path.write_bytes(msgspec.json.encode(holder))
    assert summarize(run).exit_reason == "the host was restarted"


def test_the_exit_record_decides_once_the_supervisor_is_gone(new_run: NewRun) -> None:
    run = new_run()
    lock = running(run)
    write(run, "supervisor.jsonl", RunEnded(state="finished", exit_code=0))
    assert summarize(run).state == "stopping"  # its last files are being written
    write_exit(run, ExitRecord(state="finished", exit_code=0))
    lock.release()
    assert summarize(run).state == "finished"


def test_a_young_folder_is_starting_and_an_old_one_was_never_started(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run()
    assert summarize(run).state == "starting"
    late = read_meta(run).created + summarize_module.START_GRACE_SECONDS + 1
    monkeypatch.setattr(summarize_module.time, "time", lambda: late)
    assert (summarize(run).state, summarize(run).exit_reason) == ("lost", "the run never started")


def test_a_run_of_another_host_is_never_called_lost(new_run: NewRun) -> None:
    run = new_run()
    running(run).release()
    holder = msgspec.structs.replace(own_identity(0.0), boot_id="other", host="gpu07")
    run.lock_path.write_bytes(msgspec.json.encode(holder))
    summary = summarize(run)
    assert (summary.state, summary.host) == ("running", "gpu07")


def test_stalled_is_the_supervisors_word(new_run: NewRun) -> None:
    run = new_run()
    lock = running(run)
    stalled = Stalled(rank=1, phase="training", seconds=12.0)
    write_cached(run, msgspec.structs.replace(summarize(run), stalled=stalled))
    assert summarize(run).stalled == stalled
    lock.release()
    assert summarize(run).stalled is None


def test_a_broken_cache_is_rebuilt_from_the_events(new_run: NewRun) -> None:
    run = new_run()
    lock = running(run)
    run.state_path.write_text("{")
    assert read_cached(run) is None
    assert list_runs()[0].step == 3
    lock.release()


def test_a_config_made_unreadable_does_not_hide_the_run(new_run: NewRun) -> None:
    run = new_run()
    run.config_path.write_text("model: [")
    assert summarize(run).model == "?"


def test_an_unchanged_config_is_read_once_and_a_changed_one_again(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, read = new_run(), []
    honest = RunDirectory.config
    monkeypatch.setattr(RunDirectory, "config", lambda self: read.append(self) or honest(self))
    before = [summarize(run).model for _ in range(3)]
    assert len(read) == 1
    text = run.config_path.read_text()
    run.config_path.write_text(text.replace(f"model: {before[0]}", "model: another-model"))
    assert summarize(run).model == "another-model"


def test_elapsed_time_stands_still_when_the_run_does(new_run: NewRun) -> None:
    run = new_run()
    running(run).release()
    view = read_view(run)
    base = summarize(run)
    assert view.first_time is not None
    assert view.last_time is not None
    assert with_numbers(base, view, alive=False).elapsed_seconds == view.last_time - view.first_time


def test_the_clock_of_another_host_does_not_count(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run seen through a shared folder: its own events say how long it has run."""
    run = new_run()
    write(run, "events.jsonl", started(), Step(step=1, epoch=0.1, train_loss=1.0, learning_rate=1))
    view = read_view(run)
    assert view.first_time is not None
    assert view.last_time is not None
    lock = RunLock(run.lock_path)
    lock.acquire(msgspec.structs.replace(own_identity(0.0), host="gpu07"))
    monkeypatch.setattr(time, "time", lambda: 1e10)
    assert summarize(run).elapsed_seconds == view.last_time - view.first_time
    lock.release()


def test_a_run_that_a_full_disk_holds_reads_paused_with_its_reason(new_run: NewRun) -> None:
    """It lives and goes on by itself; one that was paused on request has ended."""
    run = new_run()
    lock = running(run)
    write(run, "supervisor.jsonl", StateChanged(state="paused", reason="the disk is full"))
    held = summarize(run)
    assert (held.state, held.waits_for, held.exit_code) == ("paused", "the disk is full", None)
    write(run, "supervisor.jsonl", StateChanged(state="running"))
    going = summarize(run)
    assert (going.state, going.waits_for) == ("running", None)
    write(run, "supervisor.jsonl", RunEnded(state="paused", exit_code=0))
    assert summarize(run).state == "stopping"
    lock.release()
