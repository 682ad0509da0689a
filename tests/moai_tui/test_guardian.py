"""The terminal after a dashboard that could not put it right itself, in a real pseudo-terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
import tty

import psutil
import pytest

from moai_tui.guardian import RESTORE

DASHBOARD = """
import os, signal, sys, time, tty
from moai_tui import guardian
signal.signal(signal.SIGHUP, signal.SIG_IGN)
guard = guardian.post(0)
tty.setraw(0)
os.write(1, b"\\x1b[?1049h%d;" % guard.pid)
if sys.argv[1] == "leaves":
    os.read(0, 1)
    os.write(1, b"left")
    guard.dismiss()
else:
    time.sleep(60)
"""


class Terminal:
    """A pseudo-terminal with a small stand-in for the dashboard on it."""

    def __init__(self, how: str) -> None:
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        self.dashboard = subprocess.Popen(
            [sys.executable, "-c", DASHBOARD, how],
            stdin=slave,
            stdout=slave,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(slave)
        self.seen = b""
        self.read_until(b";")
        self.guardian = psutil.Process(int(self.seen.rpartition(b"h")[2].partition(b";")[0]))

    def read_until(self, text: bytes) -> None:
        end = time.monotonic() + 30
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            if select.select([self.master], [], [], 1.0)[0]:
                self.seen += os.read(self.master, 4096)

    def guardian_is_gone(self) -> None:
        psutil.wait_procs([self.guardian], timeout=30)
        assert not self.guardian.is_running() or self.guardian.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_after_a_sudden_death_the_terminal_is_as_it_was(number: signal.Signals) -> None:
    terminal = Terminal("stays")
    assert termios.tcgetattr(terminal.master) != terminal.before
    terminal.dashboard.send_signal(number)
    terminal.dashboard.wait()
    terminal.read_until(RESTORE.encode())
    terminal.guardian_is_gone()
    assert termios.tcgetattr(terminal.master) == terminal.before
    os.close(terminal.master)


def test_after_an_orderly_end_the_guardian_writes_nothing() -> None:
    terminal = Terminal("leaves")
    os.write(terminal.master, b"q")
    assert terminal.dashboard.wait(30) == 0, "the guardian has ended before its dashboard"
    assert not terminal.guardian.is_running()
    terminal.read_until(b"left")
    assert terminal.seen.endswith(b"left")
    os.close(terminal.master)


def test_a_dashboard_that_outlives_its_terminal_is_ended() -> None:
    """The stand-in ignores HUP and sleeps: what Textual's loop does on a dead line, it spins."""
    terminal = Terminal("stays")
    os.close(terminal.master)
    assert terminal.dashboard.wait(30) == -signal.SIGKILL
    terminal.guardian_is_gone()


def test_a_prompt_that_stands_already_is_left_alone() -> None:
    """A shell in its line editor takes no echo and no lines, but leaves ctrl-c to the kernel."""
    from moai_tui import guardian

    master, slave = pty.openpty()
    found = termios.tcgetattr(slave)
    tty.setcbreak(slave)
    prompt = termios.tcgetattr(slave)
    guardian.restore(slave, found)
    assert termios.tcgetattr(slave) == prompt
    assert os.read(master, 4096) == RESTORE.encode()
    os.close(master)
    os.close(slave)


def test_no_terminal_needs_no_guardian() -> None:
    from moai_tui import guardian

    reading, writing = os.pipe()
    assert guardian.post(reading) is None
    os.close(reading)
    os.close(writing)
