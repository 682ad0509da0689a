"""Owns a run: takes its devices, starts its ranks, hears requests, writes how it ended.

One process a run, in a session of its own, without torch. It holds the run's lock for life: no
supervisor and no exit record means the run is lost. Progress is rank 0's to tell; who lives and
who died is told here, in `supervisor.jsonl`.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import msgspec

from trainer_core.durable import sync_folder
from trainer_core.errors import UserError
from trainer_core.run.control import clear_requests, new_request
from trainer_core.run.device_wait import DeviceWait, GivenDevices, HeldDevices
from trainer_core.run.directory import ExitRecord, RunDirectory, write_exit
from trainer_core.run.event_log import EventReader, EventWriter, last_row
from trainer_core.run.events import (
    AnyEvent,
    Event,
    Notice,
    Phase,
    Queued,
    RankDied,
    Restarted,
    RunEnded,
    RunStarted,
    StateChanged,
)
from trainer_core.run.heartbeat import ProgressWatch
from trainer_core.run.identity import RunLock, adopt_orphans, lock_holder, own_identity
from trainer_core.run.joined import JOINED_VARIABLE, membership
from trainer_core.run.outcome import Death, Outcome, outcome_of
from trainer_core.run.process import STARTED
from trainer_core.run.ranks import RankGroup, kill_leftovers
from trainer_core.run.request_desk import RequestDesk
from trainer_core.run.summarize import base_summary, with_numbers, write_cached
from trainer_core.run.summary import Stalled
from trainer_core.run.view import RunView

TICK_SECONDS = 0.2
CACHE_SECONDS = 1.0
"""How old `state.json` may be while the run lives."""
QUEUE_SECONDS = 2.0
"""Between two looks for idle devices."""
RESTARTS = 3
BACK_OFF_SECONDS = (2.0, 10.0, 30.0)
"""Before the first, second and third restart: what killed the run may need time to pass."""
SILENT_STOP_SECONDS = 5.0
"""A run that was asked to stop before its first step has nothing to save; it gets this long."""
PEER_GRACE_SECONDS = 5.0
"""Ranks that wait for a dead peer do not listen to TERM; nothing of theirs is worth saving."""


@dataclass(slots=True)
class _Flags:
    """What signal handlers may touch: nothing else happens inside them."""

    stop: str | None = None


class Supervisor:
    """One run from the lock to the exit record."""

    def __init__(self, directory: RunDirectory, report: Callable[[bytes], None]) -> None:
        self.directory = directory
        self._report = report
        self._lock = RunLock(directory.lock_path)
        self._flags = _Flags()
        self._wakeup, self._wakeup_end = os.pipe()
        self._member = membership(os.environ) if os.environ.get(JOINED_VARIABLE) else None
        self._view = RunView()
        self._stalled: Stalled | None = None
        self._cached_at = 0.0
        self._since = 0.0
        """Monotonic time of the first attempt; 0 before it."""
        self._deaths: list[Death] = []
        """Of this attempt, in order."""

    def run(self) -> int:
        """Supervise the run to its end; returns the exit code of the exit record."""
        if not self._take_lock():
            return 1
        try:
            self._open()
        except UserError as error:
            self._report(f"{error}\n".encode())
            return 2
        self._report(STARTED)
        try:
            outcome = self._run_attempts()
        except UserError as error:
            outcome = Outcome("failed", 2, str(error))
        except Exception as error:  # the outermost line: whatever it is, the record is written
            import traceback

            traceback.print_exc()
            outcome = Outcome("failed", 1, f"the supervisor failed: {error!r}")
        self._end(outcome)
        return outcome.exit_code

    # ------------------------------------------------------------------ begin and end

    def _take_lock(self) -> bool:
        try:
            for _ in range(20):  # a reader's look at the lock lasts an instant
                if self._lock.acquire(own_identity(time.time())):
                    return True
                time.sleep(0.05)
        except OSError as error:
            text = (
                f"{self.directory.path}: this file system has no file locks ({error.strerror}); "
                "set MOAI_TUI_RUNS to a folder on a local disk"
            )
            self._report(f"{text}\n".encode())
            return False
        holder = lock_holder(self.directory.lock_path)
        who = f"process {holder.pid} on {holder.host}" if holder else "another process"
        self._report(f"run {self.directory.id} is already running: {who} supervises it\n".encode())
        return False

    def _open(self) -> None:
        self._config = self.directory.config()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(self._wakeup_end, False)
        signal.set_wakeup_fd(self._wakeup_end, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, self._signalled)
        adopt_orphans()
        last = last_row(self.directory.supervisor_events_path)
        attempt = last.attempt + 1 if last else 1
        self.directory.exit_path.unlink(missing_ok=True)
        clear_requests(self.directory.path)
        if self._member is None:
            kill_leftovers(self.directory.id)
        self._events = EventWriter(self.directory.supervisor_events_path, attempt)
        self._reader = EventReader(self.directory.path)
        self._base = base_summary(self.directory)
        self._desk = RequestDesk(self.directory.path, self._tell)
        self._change("starting")
        if attempt > 1:
            self._follow()
            self._say_restarted()
        sync_folder(self.directory.path)

    def _end(self, outcome: Outcome) -> None:
        self._follow()
        self._desk.close(self._last_step())
        self._stalled = None
        self._tell(
            RunEnded(state=outcome.state, exit_code=outcome.exit_code, reason=outcome.reason)
        )
        self._events.close()
        self._follow()
        self._cache(force=True)
        record = ExitRecord(
            state=outcome.state,
            exit_code=outcome.exit_code,
            reason=outcome.reason,
            time=time.time(),
            attempt=self._events.attempt,
        )
        while True:
            try:
                write_exit(self.directory, record)
                break
            except OSError:
                time.sleep(QUEUE_SECONDS)  # a full disk: without the record the run would be lost
        self._lock.release()

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        self._flags.stop = signal.Signals(number).name

    # ------------------------------------------------------------------ attempts

    def _run_attempts(self) -> Outcome:
        restarts = 0
        while True:
            held = self._wait_for_devices()
            if held is None:
                return Outcome("stopped", 0, "stopped before it got its devices")
            try:
                outcome = self._run_attempt(held)
            finally:
                held.release()
            if not outcome.retry or self._desk.stopping or self._member is not None:
                return outcome
            if restarts == RESTARTS:
                text = f"{outcome.reason} (after {RESTARTS} restarts)"
                return Outcome("failed", 1, text)
            if not self._back_off(restarts, outcome):
                return Outcome("stopped", 0, "stopped while it waited to start again")
            restarts += 1

    def _back_off(self, restarts: int, outcome: Outcome) -> bool:
        seconds = BACK_OFF_SECONDS[restarts]
        text = f"{outcome.reason}; the run starts again in {seconds:.0f} s"
        self._tell(Notice(level="warning", text=text))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(TICK_SECONDS)
            self._hear(None)
            if self._desk.stopping:
                return False
        self._events.attempt += 1
        self._say_restarted()
        self._change("starting")
        return True

    def _wait_for_devices(self) -> HeldDevices | GivenDevices | None:
        if self._member is not None:
            return GivenDevices(self._member.environment)
        wait = DeviceWait(self._config, self.directory.id)
        said = None
        while True:
            self._hear(None)
            if self._desk.stopping:
                return None
            found = wait.try_now()
            if isinstance(found, HeldDevices):
                if self._view.state == "queued":
                    self._change("starting")
                for note in found.notes:
                    self._tell(Notice(level="info", text=note))
                return found
            if found != said:
                said = found
                self._tell(Queued(waits_for=found))
                self._view.state, self._view.waits_for = "queued", found
                self._cache(force=True)
            end = time.monotonic() + QUEUE_SECONDS
            while time.monotonic() < end and not self._flags.stop:
                time.sleep(TICK_SECONDS)

    def _run_attempt(self, held: HeldDevices | GivenDevices) -> Outcome:
        self._deaths = []
        self._since = self._since or time.monotonic()
        self._view.training_ended = None
        group = RankGroup(
            directory=self.directory,
            attempt=self._events.attempt,
            shared=self._member is not None,
            since=self._since,
        )
        try:
            group.start(held.environments(), self._config.worker.python, self._wakeup)
        except OSError as error:
            return Outcome("failed", 1, f"a rank cannot be started: {error.strerror}")
        ranks = tuple(rank.number for rank in group.ranks)
        watch = ProgressWatch(self.directory.path, ranks)
        while group.alive and not group.stuck:
            group.pump(TICK_SECONDS)
            self._follow()
            self._hear(group)
            self._look_for_deaths(group)
            self._look_for_stall(group, watch)
            group.enforce()
            self._cache()
        group.close(self._wakeup)
        self._look_for_deaths(group)
        self._follow()
        return outcome_of(
            [rank.process.poll() for rank in group.ranks],
            self._view.training_ended,
            self._deaths,
            stopping=self._desk.stopping,
        )

    # ------------------------------------------------------------------ one tick

    def _follow(self) -> None:
        events = self._reader.read_new()
        for event in events:
            self._view.apply(event)
        if self._view.state == "starting" and any(map(self._is_sign_of_work, events)):
            self._change("running")

    def _is_sign_of_work(self, event: AnyEvent) -> bool:
        return isinstance(event, Phase | RunStarted) and event.attempt == self._events.attempt

    def _hear(self, group: RankGroup | None) -> None:
        if self._flags.stop:
            reason, self._flags.stop = self._flags.stop, None
            self._desk.take(new_request("stop", {"signal": reason}))
        before = self._desk.stopping
        self._desk.tick(self._last_step(), has_ranks=group is not None)
        if self._desk.stopping and not before:
            self._change("stopping", self._desk.stop_reason)
        if group is not None and self._desk.stopping and not self._has_stepped():
            if self._desk.silent_seconds() > SILENT_STOP_SECONDS:
                group.terminate(PEER_GRACE_SECONDS)

    def _look_for_deaths(self, group: RankGroup) -> None:
        for rank in group.dead():
            cause = group.cause(rank)
            code = rank.process.poll() or 0
            if not rank.ended_by_us:
                self._deaths.append(Death(cause, code))
                self._tell(RankDied(rank=rank.number, cause=cause, exit_code=code))
            group.terminate(PEER_GRACE_SECONDS)

    def _look_for_stall(self, group: RankGroup, watch: ProgressWatch) -> None:
        found = watch.stalled(time.monotonic())
        if found is None:
            self._stalled = None
            return
        rank, phase, seconds = found
        if self._stalled is None:
            text = f"Rank {rank} has not moved for {seconds:.0f} s ({phase})."
            self._tell(Notice(level="warning", text=text))
        self._stalled = Stalled(rank=rank, phase=phase, seconds=round(seconds, 1))
        if self._desk.stopping:
            group.terminate()  # it will not answer any more

    # ------------------------------------------------------------------ telling

    def _tell(self, event: Event) -> None:
        self._events.write(event)
        self._events.sync()

    def _say_restarted(self) -> None:
        checkpoints = self._view.checkpoints
        self._tell(Restarted(from_step=checkpoints[-1].step if checkpoints else None))

    def _change(self, state: str, reason: str | None = None) -> None:
        self._tell(StateChanged(state=state, reason=reason))
        self._view.state = state
        self._cache(force=True)

    def _cache(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if force or now - self._cached_at >= CACHE_SECONDS:
            self._cached_at = now
            summary = with_numbers(self._base, self._view, alive=True)
            summary = msgspec.structs.replace(
                summary, stalled=self._stalled, host=socket.gethostname()
            )
            write_cached(self.directory, summary)

    def _last_step(self) -> int | None:
        return self._view.step.step if self._view.step else None

    def _has_stepped(self) -> bool:
        return self._view.first_step_time is not None


def supervise(path: Path, report: Callable[[bytes], None]) -> int:
    """Supervise the run in `path`; called in a process of its own."""
    os.umask(0o077)
    return Supervisor(RunDirectory(path), report).run()
