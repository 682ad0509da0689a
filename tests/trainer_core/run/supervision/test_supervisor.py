"""The supervisor as a process of its own, with a small program in the place of the engine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer_core.accelerators.inventory import read_devices
from trainer_core.accelerators.locks import DeviceLocks
from trainer_core.errors import UserError
from trainer_core.run.overview.summarize import list_runs, read_cached, summarize
from trainer_core.run.processes.heartbeat import read_beat
from trainer_core.run.processes.identity import lock_holder, processes_of_run, start_time
from trainer_core.run.processes.process import start_run, supervisor_alive
from trainer_core.run.record.control import send_request, wait_for_answer
from trainer_core.run.record.directory import RunDirectory, read_exit
from trainer_core.run.record.event_log import EventReader
from trainer_core.run.record.events import (
    AnyEvent,
    Notice,
    RankDied,
    Restarted,
    RunEnded,
    StateChanged,
    Step,
)

StandIn = Callable[..., RunDirectory]
WaitFor = Callable[..., None]


def events_of(run: RunDirectory) -> list[AnyEvent]:
    return EventReader(run.path).read_new()


def states_of(run: RunDirectory) -> list[str]:
    return [event.state for event in events_of(run) if isinstance(event, StateChanged)]


def supervisor_of(run: RunDirectory) -> int:
    holder = lock_holder(run.lock_path)
    assert holder is not None
    return holder.pid


def test_a_run_of_two_ranks_ends_and_leaves_nothing(stand_in: StandIn, wait_for: WaitFor) -> None:
    run = stand_in(size="Medium", steps=5)
    wait_for(lambda: not supervisor_alive(run))
    summary = summarize(run)
    assert (summary.state, summary.exit_code, summary.step) == ("finished", 0, 5)
    assert states_of(run) == ["starting", "running"]
    assert isinstance(events_of(run)[-1], RunEnded)
    assert list(processes_of_run(run.id)) == []
    assert run.rank_log_path(1).read_text() == "rank 1 of 2 ␛]0;title␇\n"
    assert not list(run.path.glob("rendezvous*"))
    assert all(path.stat().st_mode & 0o077 == 0 for path in run.logs_path.iterdir())
    assert list_runs()[0].state == "finished"


def test_stop_is_answered_with_its_step_and_ends_every_process(
    stand_in: StandIn, wait_for: WaitFor
) -> None:
    run = stand_in(size="Medium", steps=10_000)
    wait_for(lambda: summarize(run).step)
    answer = wait_for_answer(run.path, send_request(run.path, "stop"), timeout=20)
    assert answer is not None
    assert answer.ok
    wait_for(lambda: not supervisor_alive(run))
    summary = summarize(run)
    assert (summary.state, summary.exit_code, summary.step) == ("stopped", 0, answer.step)
    assert "stopping" in states_of(run)
    assert list(processes_of_run(run.id)) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_to_the_supervisor_stops_and_saves(
    stand_in: StandIn, wait_for: WaitFor, number: signal.Signals
) -> None:
    run = stand_in(steps=10_000)
    wait_for(lambda: summarize(run).step)
    os.kill(supervisor_of(run), number)
    wait_for(lambda: not supervisor_alive(run))
    summary = summarize(run)
    assert summary.state == "stopped"
    assert summary.last_checkpoint_step == summary.step


def test_a_hangup_changes_nothing(stand_in: StandIn, wait_for: WaitFor) -> None:
    run = stand_in(steps=60)
    wait_for(lambda: summarize(run).step)
    os.kill(supervisor_of(run), signal.SIGHUP)
    for pid in processes_of_run(run.id):
        os.kill(pid, signal.SIGHUP)
    wait_for(lambda: not supervisor_alive(run))
    assert summarize(run).state == "finished"


def test_the_supervisor_has_a_session_of_its_own_no_terminal_and_no_torch(
    stand_in: StandIn, wait_for: WaitFor
) -> None:
    run = stand_in(steps=10_000)
    pid = supervisor_of(run)
    assert os.getsid(pid) not in (os.getsid(0), pid)
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert os.readlink(f"/proc/{pid}/fd/0") == os.devnull
    with open(f"/proc/{pid}/maps") as maps:
        assert "torch" not in maps.read()


def test_a_killed_supervisor_takes_its_ranks_along_and_the_run_is_lost(
    stand_in: StandIn, wait_for: WaitFor
) -> None:
    run = stand_in(size="Medium", steps=10_000)
    wait_for(lambda: summarize(run).step)
    assert len(list(processes_of_run(run.id))) == 2
    os.kill(supervisor_of(run), signal.SIGKILL)
    wait_for(lambda: not list(processes_of_run(run.id)), seconds=5)
    # The kernel lets go of the lock when the killed process has ended, which a busy host delays.
    wait_for(lambda: list_runs()[0].state == "lost", seconds=5)
    assert list_runs()[0].exit_reason == "the supervisor was killed"


def test_a_lost_run_goes_on_as_the_same_run(
    stand_in: StandIn, wait_for: WaitFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stand_in(steps=10_000)
    wait_for(lambda: summarize(run).step)
    os.kill(supervisor_of(run), signal.SIGKILL)
    wait_for(lambda: not supervisor_alive(run))
    monkeypatch.setenv("STAND_IN_STEPS", "3")
    start_run(run)
    wait_for(lambda: not supervisor_alive(run))
    summary = summarize(run)
    assert (summary.state, summary.attempt, summary.step) == ("finished", 2, 3)
    assert any(isinstance(event, Restarted) for event in events_of(run))
    reader = EventReader(run.path)
    reader.read_new()
    assert (reader.bad_rows, reader.missing_rows) == (0, 0)


def test_a_second_supervisor_is_refused_with_the_first_one_named(
    stand_in: StandIn, wait_for: WaitFor
) -> None:
    run = stand_in(steps=10_000)
    with pytest.raises(UserError, match=f"process {supervisor_of(run)}"):
        start_run(run)
    assert supervisor_alive(run)


def test_a_rank_killed_by_a_signal_is_started_again(stand_in: StandIn, wait_for: WaitFor) -> None:
    run = stand_in(size="Medium", steps=8, at_step=3, deed="import os; os.kill(os.getpid(), 9)")
    wait_for(lambda: not supervisor_alive(run))
    summary = summarize(run)
    assert (summary.state, summary.attempt) == ("finished", 2)
    died = [event for event in events_of(run) if isinstance(event, RankDied)]
    assert "killed from outside (SIGKILL)" in died[0].cause


def test_an_exception_before_any_step_fails_the_run_at_once_with_its_last_line(
    stand_in: StandIn, wait_for: WaitFor
) -> None:
    deed = "import os; assert os.environ['RANK'] == '1', 'only this'\nraise KeyError('column')"
    run = stand_in(size="Medium", steps=10_000, at_step=1, deed=deed)
    wait_for(lambda: not supervisor_alive(run))
    record = read_exit(run)
    assert record is not None
    assert (record.state, record.exit_code, record.attempt) == ("failed", 1, 1)
    assert record.reason is not None
    assert record.reason.startswith(("KeyError: 'column' (", "AssertionError: only this ("))
    assert list(processes_of_run(run.id)) == []


def test_an_exception_in_mid_training_is_started_again(
    stand_in: StandIn, wait_for: WaitFor
) -> None:
    run = stand_in(steps=6, at_step=4, deed="raise OSError(5, 'Input/output error')")
    wait_for(lambda: not supervisor_alive(run))
    assert (summarize(run).state, summarize(run).attempt) == ("finished", 2)
    told = [event.text for event in events_of(run) if isinstance(event, Notice)]
    assert any("Input/output error (" in text for text in told)
    assert any("; the run starts again in 2 s" in text for text in told)


def test_a_rank_that_ends_while_its_peer_waits_for_it_ends_the_run(
    stand_in: StandIn, wait_for: WaitFor
) -> None:
    deed = "import os, sys, time\nsys.exit(2) if os.environ['RANK'] == '1' else time.sleep(600)"
    run = stand_in(size="Medium", steps=10_000, at_step=2, deed=deed)
    wait_for(lambda: not supervisor_alive(run))
    record = read_exit(run)
    assert record is not None
    assert (record.state, record.exit_code) == ("failed", 2)


def test_a_stop_before_the_first_step_is_not_kept_waiting(
    stand_in: StandIn, wait_for: WaitFor
) -> None:
    run = stand_in(steps=9, at_step=1, deed="import time; time.sleep(600)")
    wait_for(lambda: summarize(run).state == "running")
    send_request(run.path, "stop")
    wait_for(lambda: not supervisor_alive(run))
    assert summarize(run).state == "stopped"


def test_a_frozen_rank_is_named_and_the_run_goes_on_when_it_does(
    stand_in: StandIn, wait_for: WaitFor
) -> None:
    run = stand_in(size="Medium", steps=200)
    wait_for(lambda: (beat := read_beat(run.path, 1)) is not None and (beat.step or 0) > 3)
    ranks = {
        int(open(f"/proc/{pid}/environ").read().split("\0RANK=")[1][0]): pid
        for pid in processes_of_run(run.id)
    }
    os.kill(ranks[1], signal.SIGSTOP)
    wait_for(lambda: (found := read_cached(run)) is not None and found.stalled is not None)
    stalled = summarize(run).stalled
    assert stalled is not None
    assert (stalled.rank, stalled.phase) == (1, "training")
    assert any(isinstance(e, Notice) and "Rank 1 has not moved" in e.text for e in events_of(run))
    os.kill(ranks[1], signal.SIGCONT)
    wait_for(lambda: not supervisor_alive(run))
    assert summarize(run).state == "finished"


def test_a_run_waits_for_devices_and_says_for_whom(stand_in: StandIn, wait_for: WaitFor) -> None:
    devices = [device.uuid for device in read_devices().devices]
    other = DeviceLocks(devices, "20260101-000000-abcdef")
    assert other.acquire() is None
    run = stand_in(size="Small", steps=3)
    wait_for(lambda: summarize(run).state == "queued")
    assert "20260101-000000-abcdef" in (summarize(run).waits_for or "")
    assert list(processes_of_run(run.id)) == []
    other.release()
    wait_for(lambda: not supervisor_alive(run))
    assert summarize(run).state == "finished"
    assert summarize(run).waits_for is None


def test_a_waiting_run_can_be_stopped(stand_in: StandIn, wait_for: WaitFor) -> None:
    devices = [device.uuid for device in read_devices().devices]
    with DeviceLocks(devices, "20260101-000000-abcdef") as other:
        assert other.acquire() is None
        run = stand_in(steps=3)
        wait_for(lambda: summarize(run).state == "queued")
        answer = wait_for_answer(run.path, send_request(run.path, "stop"), timeout=20)
        assert answer is not None
        assert answer.ok
        wait_for(lambda: not supervisor_alive(run))
    assert summarize(run).state == "stopped"


def test_what_the_machine_can_never_give_fails_the_run_in_words(
    stand_in: StandIn, wait_for: WaitFor
) -> None:
    run = stand_in(size="48xLarge")
    wait_for(lambda: not supervisor_alive(run))
    summary = summarize(run)
    assert (summary.state, summary.exit_code) == ("failed", 2)
    assert summary.exit_reason


def test_orphans_of_ranks_become_the_supervisors(stand_in: StandIn, wait_for: WaitFor) -> None:
    deed = (
        "import subprocess; subprocess.run(['sh', '-c', "
        "f'sleep 600 & echo $! > {folder}/orphan.new && mv {folder}/orphan.new {folder}/orphan'])"
    )
    run = stand_in(steps=10_000, at_step=2, deed=deed)
    wait_for((run.path / "orphan").exists)
    orphan = int((run.path / "orphan").read_text())
    parent = int(Path(f"/proc/{orphan}/stat").read_text().rpartition(")")[2].split()[1])
    assert parent == supervisor_of(run)
    os.kill(supervisor_of(run), signal.SIGTERM)
    wait_for(lambda: not supervisor_alive(run))
    assert start_time(orphan) is None


def test_nothing_is_left_of_a_grandchild(stand_in: StandIn, wait_for: WaitFor) -> None:
    deed = (
        "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', "
        "'import time; time.sleep(600)'], start_new_session=True)\n"
        "(folder / 'grandchild').write_text(str(child.pid))"
    )
    run = stand_in(steps=4, at_step=2, deed=deed)
    wait_for(lambda: not supervisor_alive(run))
    pid = int((run.path / "grandchild").read_text())
    assert start_time(pid) is None
    assert summarize(run).state == "finished"
    assert any(isinstance(event, Step) for event in events_of(run))
    assert time.time() - summarize(run).created < 60
