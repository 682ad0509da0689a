from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from trainer_core.run.overview import follow
from trainer_core.run.overview.follow import Follower, Listener
from trainer_core.run.processes.identity import RunLock, own_identity
from trainer_core.run.record.control import take_requests
from trainer_core.run.record.directory import ExitRecord, RunDirectory, write_exit
from trainer_core.run.record.event_log import EventWriter
from trainer_core.run.record.events import AnyEvent, RunEnded, StateChanged

NewRun = Callable[..., RunDirectory]


@dataclass
class Script:
    """A run that lives for some polls; deeds are done at the poll of their number."""

    run: RunDirectory
    deeds: dict[int, Callable[[], None]] = field(default_factory=dict)
    polls: int = 0
    heard: list[str] = field(default_factory=list)

    def tick(self) -> None:
        self.polls += 1
        assert self.polls < 50, "the follower never ended"
        self.deeds.get(self.polls, lambda: None)()

    def event(self, event: AnyEvent) -> None:
        self.heard.append(type(event).__name__)

    def follow(self, *, owns: bool) -> int:
        listener = Listener(
            event=self.event,
            tick=self.tick,
            leaving=lambda: self.heard.append("leaving"),
            stopping=lambda: self.heard.append("stopping"),
        )
        return Follower(self.run, listener, owns=owns).follow()


@pytest.fixture
def script(new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    monkeypatch.setattr(follow, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(follow, "SECOND_INTERRUPT_SECONDS", 0.3)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    before = {number: signal.getsignal(number) for number in numbers}
    run = new_run()
    lock = RunLock(run.lock_path)
    lock.acquire(own_identity(0.0))
    yield Script(run)
    lock.release()
    for number, handler in before.items():
        signal.signal(number, handler)


def ends(script: Script, state: str = "finished", code: int = 0) -> Callable[[], None]:
    def end() -> None:
        writer = EventWriter(script.run.supervisor_events_path, attempt=1)
        writer.write(RunEnded(state=state, exit_code=code))
        writer.close()
        write_exit(script.run, ExitRecord(state=state, exit_code=code))
        script.run.lock_path.unlink()  # the lock itself is held by this test

    return end


def raises(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("state", "recorded", "code"),
    [("finished", 0, 0), ("stopped", 0, 0), ("failed", 1, 1), ("failed", 2, 2)],
)
def test_the_exit_code_is_the_runs(script: Script, state: str, recorded: int, code: int) -> None:
    EventWriter(script.run.supervisor_events_path, attempt=1).close()
    script.deeds = {2: ends(script, state, recorded)}
    assert script.follow(owns=False) == code
    assert script.heard == ["RunEnded"]


def test_a_run_that_vanishes_is_lost(script: Script) -> None:
    script.deeds = {2: script.run.lock_path.unlink}
    assert script.follow(owns=True) == 1


def test_one_interrupt_leaves_and_says_how_to_come_back(script: Script) -> None:
    script.deeds = {2: raises(signal.SIGINT)}
    assert script.follow(owns=False) == 130
    assert script.heard == ["leaving"]
    assert take_requests(script.run.path) == ()


def test_a_second_interrupt_stops_and_stays_to_the_end(script: Script) -> None:
    script.deeds = {2: lambda: (raises(signal.SIGINT)(), raises(signal.SIGINT)()), 5: ends(script)}
    assert script.follow(owns=False) == 0
    assert script.heard[:2] == ["leaving", "stopping"]
    assert [request.action for request in take_requests(script.run.path)] == ["stop"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_other_signals_end_the_follower_and_not_the_run(
    script: Script, number: signal.Signals, code: int
) -> None:
    script.deeds = {2: raises(number)}
    assert script.follow(owns=False) == code
    assert take_requests(script.run.path) == ()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_an_owner_turns_signals_into_one_stop(script: Script, number: signal.Signals) -> None:
    script.deeds = {2: raises(number), 3: raises(number), 6: ends(script, "stopped")}
    assert script.follow(owns=True) == 0
    assert [request.action for request in take_requests(script.run.path)] == ["stop"]


def test_an_owner_is_not_moved_by_a_hangup_or_a_dead_reader(script: Script) -> None:
    def gone(_: AnyEvent) -> None:
        raise BrokenPipeError

    script.event = gone  # type: ignore[method-assign]
    writer = EventWriter(script.run.supervisor_events_path, attempt=1)
    writer.write(StateChanged(state="running"))
    writer.close()
    listener = Listener(event=gone, tick=lambda: None, leaving=lambda: None, stopping=lambda: None)
    polls = iter(range(100))

    def life(_: RunDirectory) -> str:
        number = next(polls)
        if number == 2:
            os.kill(os.getpid(), signal.SIGHUP)
        if number == 4:
            ends(script)()
        return "dead" if number >= 4 else "alive"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(follow, "liveness", life)
        assert Follower(script.run, listener, owns=True).follow() == 0


def test_a_follower_whose_reader_is_gone_ends(script: Script) -> None:
    def gone() -> None:
        raise BrokenPipeError

    script.deeds = {1: gone}
    with pytest.raises(BrokenPipeError):
        script.follow(owns=False)


def test_an_ignored_hangup_stays_ignored(script: Script, tmp_path: Path) -> None:
    """`nohup moai-tui train` outlives its terminal."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    script.deeds = {2: raises(signal.SIGHUP), 4: ends(script)}
    assert script.follow(owns=False) == 0


def test_the_owner_in_the_background_of_a_script_still_obeys_an_interrupt(script: Script) -> None:
    """`moai-tui train … &` in a shell script begins with INT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    script.deeds = {2: raises(signal.SIGINT), 4: ends(script, "stopped")}
    assert script.follow(owns=True) == 0
    assert [request.action for request in take_requests(script.run.path)] == ["stop"]


def test_a_follower_in_the_background_of_a_script_is_left_alone(script: Script) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    script.deeds = {2: raises(signal.SIGINT), 4: ends(script)}
    assert script.follow(owns=False) == 0
    assert take_requests(script.run.path) == ()
