"""Following a run from a command: events as they come, signals turned into what they mean.

At a terminal a follower may leave; the run goes on. A command that owns its run (no terminal,
or `--foreground`) turns INT, TERM and USR1 into "stop and save" and stays to the end.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import FrameType

from trainer_core.run.processes.process import liveness
from trainer_core.run.record.control import send_request
from trainer_core.run.record.directory import RunDirectory, read_exit
from trainer_core.run.record.event_log import EventReader
from trainer_core.run.record.events import AnyEvent

POLL_SECONDS = 0.25
SECOND_INTERRUPT_SECONDS = 3.0
"""A second ctrl-c within this time stops the run; without one the follower leaves."""

LEFT = 130
"""Exit code of a follower that left by ctrl-c."""

OK_STATES = ("finished", "stopped", "paused")


@dataclass(slots=True)
class Listener:
    """What a follower tells; every call may raise OSError when its reader is gone."""

    event: Callable[[AnyEvent], None]
    tick: Callable[[], None]
    """Called after each poll, for lines that come by time."""
    leaving: Callable[[], None]
    """The first ctrl-c: say how to come back and how to stop."""
    stopping: Callable[[], None]
    """The run was asked to stop and save."""


class Follower:
    """One command that watches one run to its end, or until it is told to leave."""

    def __init__(self, directory: RunDirectory, listener: Listener, *, owns: bool) -> None:
        self._directory = directory
        self._listener = listener
        self._owns = owns
        self._signals: list[int] = []
        self._asked = False
        self._muted = False

    def follow(self) -> int:
        """Follow; returns the command's exit code.

        Returns:
            0 finished or stopped on request, 1 failed or lost, 2 bad input, 130 left by
            ctrl-c, 143 or 129 for TERM or HUP to a follower.
        """
        self._install()
        reader = EventReader(self._directory.path)
        ended = False
        while True:
            for event in reader.read_new():
                self._say(partial(self._listener.event, event))
            if ended:
                return self._exit_code()
            self._say(self._listener.tick)
            ended = liveness(self._directory) != "alive"
            if not ended:
                time.sleep(POLL_SECONDS)
            code = self._obey()
            if code is not None:
                return code

    def _install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            # nohup and background jobs have asked for silence; that stays as it is. But a shell
            # ignores INT for every `command &` of a script, and there it is how a run is stopped.
            asked_for = self._owns and number == signal.SIGINT
            if signal.getsignal(number) is signal.SIG_IGN and not asked_for:
                continue
            if number == signal.SIGUSR1 and not self._owns:
                continue
            if number == signal.SIGHUP and self._owns:
                signal.signal(number, signal.SIG_IGN)
                continue
            signal.signal(number, self._signalled)

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)

    def _obey(self) -> int | None:
        while self._signals:
            number = self._signals.pop(0)
            if self._owns:
                self._stop()
            elif number != signal.SIGINT:
                return 128 + number
            elif self._asked or not self._second_interrupt():
                return LEFT
            else:
                self._stop()
        return None

    def _second_interrupt(self) -> bool:
        self._say(self._listener.leaving)
        end = time.monotonic() + SECOND_INTERRUPT_SECONDS
        while time.monotonic() < end:
            if signal.SIGINT in self._signals:
                self._signals.clear()
                return True
            if self._signals:
                return False
            time.sleep(0.05)
        return False

    def _stop(self) -> None:
        if not self._asked:
            self._asked = True
            send_request(self._directory.path, "stop")
            self._say(self._listener.stopping)

    def _say(self, tell: Callable[[], None]) -> None:
        if self._muted:
            return
        try:
            tell()
        except OSError:
            # Nobody reads any more (a closed pipe or terminal). An owner goes on in silence.
            if not self._owns:
                raise
            self._muted = True

    def _exit_code(self) -> int:
        record = read_exit(self._directory)
        if record is None:
            return 1
        return 0 if record.state in OK_STATES else record.exit_code or 1
