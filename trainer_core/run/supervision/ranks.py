"""The processes of one attempt: started together, watched together, ended together."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.config.time_limit import ENDS_VARIABLE
from trainer_core.run.processes.heartbeat import forget_beats
from trainer_core.run.processes.identity import (
    RUN_VARIABLE,
    processes_of_run,
    signal_run_process,
)
from trainer_core.run.processes.process import core_command, core_environment
from trainer_core.run.processes.rank_environment import without_secrets
from trainer_core.run.processes.rank_log import RankLog, read_tail
from trainer_core.run.record.directory import RunDirectory
from trainer_core.run.supervision.cause import cause_of_death, host_oom_kill_count, oom_kill_count

TERM_SECONDS = 30.0
"""Between TERM and KILL: time for a rank to leave a collective and close its files."""
KILL_SECONDS = 30.0
"""After KILL a process that does not go is stuck in the kernel; waiting for ever helps nobody."""
READ_BYTES = 256 * 1024


@dataclass(slots=True)
class Rank:
    """One process of the run."""

    number: int
    process: subprocess.Popen[bytes]
    log: RankLog
    ended_by_us: bool = False
    """Whether it got TERM or KILL from here before it ended."""
    reported: bool = False
    """Whether its death was already told."""


@dataclass(slots=True)
class RankGroup:
    """All ranks of one attempt on this host."""

    directory: RunDirectory
    attempt: int
    config: RunConfig
    first_rank: int = 0
    """Number of this host's first rank; above 0 where another launcher started us."""
    shared: bool = False
    """Whether ranks of this run on this host belong to other commands: those are left alone."""
    ends_at: float | None = None
    """Monotonic time at which the run must be over, saved and all."""
    ranks: list[Rank] = field(default_factory=list)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _kill_at: float | None = None
    _give_up_at: float | None = None
    _oom_kills: int = field(default_factory=oom_kill_count)
    _host_oom_kills: int = field(default_factory=host_oom_kill_count)

    def start(
        self, environments: Sequence[Mapping[str, str]], python: str | None, wakeup: int
    ) -> None:
        """Start one rank for each environment.

        Args:
            environments: What differs from rank to rank, e.g. the devices it may see.
            python: Interpreter whose torch trains; None is our own.
            wakeup: File descriptor that becomes readable when a signal arrived.

        Raises:
            OSError: If a process cannot be started; those already started are killed.
        """
        self._selector.register(wakeup, selectors.EVENT_READ, None)
        last = self.first_rank + len(environments)
        forget_beats(self.directory.path, tuple(range(self.first_rank, last)))
        self.directory.rendezvous_path(self.attempt).unlink(missing_ok=True)
        try:
            for number, environment in enumerate(environments, start=self.first_rank):
                self._start_one(number, len(environments), environment, python)
        except OSError:
            self.signal(signal.SIGKILL)
            raise

    @property
    def alive(self) -> bool:
        """Whether any rank still runs."""
        return any(rank.process.poll() is None for rank in self.ranks)

    @property
    def stuck(self) -> bool:
        """Whether a killed rank did not go: it is stuck in the kernel."""
        return self._give_up_at is not None and time.monotonic() > self._give_up_at

    def pump(self, seconds: float) -> None:
        """Move output into the logs; return after `seconds`, or sooner when something came."""
        for key, _ in self._selector.select(seconds):
            try:
                block = os.read(key.fd, READ_BYTES)
            except BlockingIOError:
                continue
            log: RankLog | None = key.data
            if log is not None and block:
                log.feed(block)
            elif log is not None:
                self._selector.unregister(key.fd)

    def dead(self) -> list[Rank]:
        """Return the ranks that ended otherwise than with 0 and were not yet reported."""
        fallen = [rank for rank in self.ranks if rank.process.poll() and not rank.reported]
        for rank in fallen:
            rank.reported = True
        return fallen

    def cause(self, rank: Rank) -> str:
        """Return one sentence about why a rank ended."""
        code = rank.process.poll() or 0
        if code < 0:
            # The log has no word on a signal, and the counter tells a memory kill from others.
            return cause_of_death(
                rank.number,
                code,
                "",
                oom_kills=oom_kill_count() - self._oom_kills,
                host_oom_kills=host_oom_kill_count() - self._host_oom_kills,
                ended_by_us=rank.ended_by_us,
            )
        return cause_of_death(rank.number, code, read_tail(rank.log.path))

    def signal(self, number: signal.Signals) -> None:
        """Signal every rank that still runs; not reaped before, so never a stranger."""
        for rank in self.ranks:
            if rank.process.poll() is None:
                rank.ended_by_us = True
                rank.process.send_signal(number)

    def terminate(self, grace_seconds: float = TERM_SECONDS) -> None:
        """Begin the ladder TERM → KILL → give up; `enforce` climbs it. Again does nothing."""
        if self._kill_at is None and self.alive:
            self._kill_at = time.monotonic() + grace_seconds
            self.signal(signal.SIGTERM)
            self.signal(signal.SIGCONT)  # a frozen rank sees nothing else but KILL

    def enforce(self) -> None:
        """Take the next step of the ladder when its time has come."""
        now = time.monotonic()
        if self._kill_at is None or self._give_up_at is not None or now < self._kill_at:
            return
        self._give_up_at = now + KILL_SECONDS
        self.signal(signal.SIGKILL)

    def close(self, wakeup: int) -> None:
        """Read what is left, end every process that carries the run's id, close the logs."""
        if not self.shared:
            kill_leftovers(self.directory.id)
        self._selector.unregister(wakeup)
        while self._selector.get_map():
            before = len(self._selector.get_map())
            self.pump(0)
            if len(self._selector.get_map()) == before and not self._selector.select(0.2):
                break  # a stuck process keeps its end open
        self._selector.close()
        for rank in self.ranks:
            if rank.process.stdout is not None:
                rank.process.stdout.close()
            rank.log.close()
        self.directory.rendezvous_path(self.attempt).unlink(missing_ok=True)

    def _start_one(
        self, number: int, world_size: int, environment: Mapping[str, str], python: str | None
    ) -> None:
        own = without_secrets(core_environment(), self.config)
        own |= {
            "RANK": str(number),
            "LOCAL_RANK": str(number),
            "WORLD_SIZE": str(world_size),
            "LOCAL_WORLD_SIZE": str(world_size),
            RUN_VARIABLE: self.directory.id,
            "MOAI_TUI_ATTEMPT": str(self.attempt),
            ENDS_VARIABLE: "" if self.ends_at is None else repr(self.ends_at),
            "MOAI_TUI_RENDEZVOUS": str(self.directory.rendezvous_path(self.attempt)),
            "MOAI_TUI_SUPERVISOR_PID": str(os.getpid()),
            # Loopback only: PyTorch's transport has no authentication.
            "GLOO_SOCKET_IFNAME": "lo",
            "NCCL_SOCKET_IFNAME": "lo",
            "PYTHONUNBUFFERED": "1",
            "PYTHONFAULTHANDLER": "1",
            "TOKENIZERS_PARALLELISM": "true",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            **environment,
        }
        process = subprocess.Popen(
            core_command("rank", str(self.directory.path), python=python),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.directory.path,
            env=own,
        )
        log = RankLog(self.directory.rank_log_path(number))
        self.ranks.append(Rank(number=number, process=process, log=log))
        if process.stdout is not None:
            os.set_blocking(process.stdout.fileno(), False)
            self._selector.register(process.stdout.fileno(), selectors.EVENT_READ, log)


def kill_leftovers(run_id: str, seconds: float = 10.0) -> list[int]:
    """Kill every process that carries the run's id, and reap those that became ours.

    Returns:
        Processes that did not go within `seconds`.
    """
    end = time.monotonic() + seconds
    while left := list(processes_of_run(run_id)):
        for pid in left:
            signal_run_process(pid, run_id, signal.SIGKILL)
        _reap_orphans(left)
        if time.monotonic() > end:
            return left
        time.sleep(0.05)
    return []


def _reap_orphans(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue
