"""Owns a run: takes its devices, starts its ranks, hears requests, writes how it ended.

One process a run, in a session of its own, without torch. It holds the run's lock for life: no
supervisor and no exit record means the run is lost. Progress is rank 0's to tell; who lives and
who died is told here, in `supervisor.jsonl`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from trainer_core.durable import sync_folder
from trainer_core.errors import UserError
from trainer_core.run.config.config_file import override
from trainer_core.run.config.time_limit import Deadline, deadline
from trainer_core.run.overview.summarize import summarize
from trainer_core.run.processes.identity import RunLock, adopt_orphans, lock_holder, own_identity
from trainer_core.run.processes.process import STARTED
from trainer_core.run.processes.session import own_danger
from trainer_core.run.record.control import clear_requests
from trainer_core.run.record.directory import ExitRecord, RunDirectory, write_config, write_exit
from trainer_core.run.record.events import (
    AnyEvent,
    Held,
    Notice,
    Phase,
    RankDied,
    RunEnded,
    RunStarted,
)
from trainer_core.run.supervision.device_wait import DeviceWait, HeldDevices, require_same_kind
from trainer_core.run.supervision.given_devices import GivenDevices, GivenWait
from trainer_core.run.supervision.joined import JOINED_VARIABLE, membership
from trainer_core.run.supervision.ledger import Ledger
from trainer_core.run.supervision.outcome import Death, Outcome, outcome_of
from trainer_core.run.supervision.ranks import RankGroup, kill_leftovers
from trainer_core.run.supervision.request_desk import RequestDesk
from trainer_core.run.supervision.restarts import Restarts
from trainer_core.run.supervision.stall import StallWatch

TICK_SECONDS = 0.2
QUEUE_SECONDS = 2.0
"""Between two looks for idle devices."""
SILENT_STOP_SECONDS = 2.0
"""A run that was asked to stop before its first step has nothing to save; it gets this long."""
SILENT_GRACE_SECONDS = 1.0
"""And this long between TERM and KILL."""
PEER_GRACE_SECONDS = 5.0
"""Ranks that wait for a dead peer do not listen to TERM; nothing of theirs is worth saving."""
AT_ONCE_SECONDS = 1.0
"""For a clean end of files and sockets, where nobody wants to wait for a save."""


@dataclass(slots=True)
class _Flags:
    """What signal handlers may touch: nothing else happens inside them."""

    stop: str | None = None


class Supervisor:
    """One run from the lock to the exit record."""

    def __init__(
        self,
        directory: RunDirectory,
        report: Callable[[bytes], None],
        *,
        other_devices: bool = False,
    ) -> None:
        self.directory = directory
        self._report = report
        self._lock = RunLock(directory.lock_path)
        self._flags = _Flags()
        self._wakeup, self._wakeup_end = os.pipe()
        self._member = membership(os.environ) if os.environ.get(JOINED_VARIABLE) else None
        self._deadline: Deadline | None = None
        self._since: float | None = None
        """Monotonic time at which the run first got its devices."""
        self._other_devices = other_devices
        """Whether the user asked for devices of another kind than before."""
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
        self.directory.exit_path.unlink(missing_ok=True)
        clear_requests(self.directory.path)
        if self._member is None:
            kill_leftovers(self.directory.id)
        self._ledger = Ledger(self.directory)
        self._desk = RequestDesk(self.directory.path, self._ledger.tell, self._settle)
        self._wait: DeviceWait | GivenWait = DeviceWait(self._config, self.directory.id)
        if self._member is not None:
            self._wait = GivenWait(self._member, self.directory.id)
        self._ledger.change("starting")
        danger = own_danger()
        if danger is not None:
            self._ledger.tell(Notice(level="warning", text=f"{danger.text}.", fix=danger.fix))
        if self._ledger.attempt > 1:
            self._ledger.catch_up()
            self._ledger.say_restarted()
        sync_folder(self.directory.path)

    def _end(self, outcome: Outcome) -> None:
        self._follow()
        self._desk.close(self._ledger.last_step)
        self._ledger.stalled = None
        self._ledger.tell(
            RunEnded(state=outcome.state, exit_code=outcome.exit_code, reason=outcome.reason)
        )
        self._ledger.close()
        record = ExitRecord(
            state=outcome.state,
            exit_code=outcome.exit_code,
            reason=outcome.reason,
            time=time.time(),
            attempt=self._ledger.attempt,
        )
        while True:
            try:
                write_exit(self.directory, record)
                break
            except OSError:
                time.sleep(QUEUE_SECONDS)  # a full disk: without the record the run would be lost
        self._lock.release()
        from trainer_core.run.forecast.measured import remember
        from trainer_core.run.supervision.alerts import (
            tell_end,  # slow to load, and only needed here
        )

        remember(self.directory)
        tell_end(summarize(self.directory))

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        self._flags.stop = signal.Signals(number).name

    # ------------------------------------------------------------------ attempts

    def _run_attempts(self) -> Outcome:
        restarts = Restarts()
        while True:
            held = self._wait_for_devices()
            if held is None:
                return self._ended_early("before it got its devices")
            try:
                outcome = self._run_attempt(held)
            finally:
                held.release()
            if self._desk.ending or self._member is not None:
                return outcome
            pause = restarts.pause_before_next(
                outcome,
                step=self._ledger.last_step if self._ledger.has_stepped else None,
                checkpoint=self._ledger.last_checkpoint,
            )
            if pause is None:
                return replace(outcome, reason=restarts.in_words(outcome))
            if not self._back_off(pause, outcome):
                return self._ended_early("while it waited to start again")

    def _ended_early(self, when: str) -> Outcome:
        state = self._desk.ending or "stopped"
        step = self._ledger.last_checkpoint
        kept = "" if step is None else f"; the checkpoint of step {step} stands"
        return Outcome(state, 0, f"{state} {when}{kept}")

    def _back_off(self, seconds: float, outcome: Outcome) -> bool:
        text = f"{outcome.reason}; the run starts again in {seconds:.0f} s"
        self._ledger.tell(Notice(level="warning", text=text))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(TICK_SECONDS)
            self._hear(None)
            self._ledger.cache()
            if self._desk.ending:
                return False
        self._ledger.next_attempt()
        return True

    def _wait_for_devices(self) -> HeldDevices | GivenDevices | None:
        try:
            said = None
            while True:
                self._hear(None)
                if self._desk.ending:
                    return None
                found = self._wait.try_now()
                if not isinstance(found, str):
                    return self._take(found)
                if found != said:
                    said = found
                    self._ledger.queued(found)
                end = time.monotonic() + QUEUE_SECONDS
                while time.monotonic() < end and not self._flags.stop:
                    time.sleep(TICK_SECONDS)
                    self._ledger.cache()
        finally:
            self._wait.give_up()

    def _take(self, held: HeldDevices | GivenDevices) -> HeldDevices | GivenDevices:
        try:
            if not self._other_devices:
                before = self._ledger.view.started.devices if self._ledger.view.started else ()
                require_same_kind(before, held.devices, self.directory.id)
        except UserError:
            held.release()
            raise
        if self._ledger.view.state == "queued":
            self._ledger.change("starting")
        for note in held.notes:
            self._ledger.tell(Notice(level="info", text=note))
        if self._since is None:
            self._since = time.monotonic()
            self._deadline = deadline(self._config.time_limit, self._since)
        return held

    def _run_attempt(self, held: HeldDevices | GivenDevices) -> Outcome:
        self._deaths = []
        self._ledger.view.training_ended = None
        group = RankGroup(
            directory=self.directory,
            attempt=self._ledger.attempt,
            config=self._config,
            shared=self._member is not None,
            ends_at=self._deadline.at if self._deadline else None,
        )
        try:
            group.start(held.environments(), self._config.worker.python, self._wakeup)
        except OSError as error:
            return Outcome("failed", 1, f"a rank cannot be started: {error.strerror}")
        stall = StallWatch(self.directory, group, self._ledger.tell)
        while group.alive and not group.stuck:
            group.pump(TICK_SECONDS)
            self._follow()
            self._hear(group)
            self._look_for_deaths(group)
            self._look_for_stall(group, stall)
            self._look_at_the_clock()
            group.enforce()
            self._ledger.cache()
            held.publish(self._ledger.view.eta_seconds)
        group.close(self._wakeup)
        self._ledger.stalled = None
        self._look_for_deaths(group)
        self._follow()
        outcome = outcome_of(
            [rank.process.poll() for rank in group.ranks],
            self._ledger.view.training_ended,
            self._deaths,
            stopping=self._desk.ending,
        )
        if outcome.forced:
            when = "before it had answered" if self._ledger.has_stepped else "before its first step"
            return self._ended_early(when)
        return outcome

    # ------------------------------------------------------------------ one tick

    def _follow(self) -> None:
        events = self._ledger.follow()
        if self._ledger.view.state == "starting" and any(map(self._is_sign_of_work, events)):
            self._ledger.change("running")
        for event in events:
            current = event.attempt == self._ledger.attempt and not self._desk.ending
            if isinstance(event, Held) and current:
                self._ledger.change("paused" if event.reason else "running", event.reason)

    def _is_sign_of_work(self, event: AnyEvent) -> bool:
        return isinstance(event, Phase | RunStarted) and event.attempt == self._ledger.attempt

    def _hear(self, group: RankGroup | None) -> None:
        if self._flags.stop:
            reason, self._flags.stop = self._flags.stop, None
            self._desk.ask("stop", f"{reason} received")
        before = self._desk.ending
        self._desk.tick(self._ledger.last_step, has_ranks=group is not None)
        if self._desk.ending and self._desk.ending != before:
            state = "stopping" if self._desk.ending == "stopped" else "pausing"
            self._ledger.change(state, self._desk.reason)
        if group is None or not self._desk.ending:
            return
        if self._desk.at_once:
            group.terminate(AT_ONCE_SECONDS)
        elif not self._ledger.has_stepped and self._desk.silent_seconds() > SILENT_STOP_SECONDS:
            group.terminate(SILENT_GRACE_SECONDS)

    def _look_for_deaths(self, group: RankGroup) -> None:
        for rank in group.dead():
            cause = group.cause(rank)
            code = rank.process.poll() or 0
            if not rank.ended_by_us:
                self._deaths.append(Death(cause, code))
                self._ledger.tell(RankDied(rank=rank.number, cause=cause, exit_code=code))
            group.terminate(PEER_GRACE_SECONDS)

    def _look_for_stall(self, group: RankGroup, stall: StallWatch) -> None:
        stall.look()
        self._ledger.stalled = stall.found
        if stall.found is not None and self._desk.ending:
            group.terminate()  # it will not answer any more

    def _look_at_the_clock(self) -> None:
        """End a run that is late for its deadline; one that trains sees to it by itself."""
        if self._deadline is None or self._desk.ending:
            return
        early = 0.0 if self._ledger.has_stepped else SILENT_STOP_SECONDS + SILENT_GRACE_SECONDS
        if time.monotonic() >= self._deadline.at - early:
            self._desk.ask("stop", f"{self._deadline.words} was reached")

    def _settle(self, numbers: dict[str, Any]) -> None:
        """Write down what a request changed, so that a resume goes on with it."""
        fields = {"learning_rate": "learning_rate", "total_steps": "steps"}
        changes = {fields[name]: str(value) for name, value in numbers.items() if name in fields}
        self._config = override(self.directory.config(), changes)
        write_config(self.directory, self._config)


def supervise(path: Path, report: Callable[[bytes], None], *, other_devices: bool = False) -> int:
    """Supervise the run in `path`; called in a process of its own.

    Args:
        path: The run folder.
        report: Told once how the start went.
        other_devices: Whether the user asked for another kind of device than before.
    """
    os.umask(0o077)
    return Supervisor(RunDirectory(path), report, other_devices=other_devices).run()
