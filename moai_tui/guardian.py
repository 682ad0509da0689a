"""A small process beside the dashboard that puts the terminal right when the dashboard cannot.

It waits on a pipe whose other end the dashboard alone holds: the kernel closes it however the
dashboard dies, `kill -9` included. It also watches the terminal: where that is gone and the
dashboard does not notice, the dashboard is ended instead of spinning on a dead line.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import termios
import time
from typing import Any

RESTORE = (
    "\x1b[?2026l"  # what was begun to be drawn is drawn
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"  # mouse
    "\x1b[?1004l\x1b[?2004l\x1b[?2048l\x1b[<u"  # focus, paste, size reports, key protocol
    "\x1b[m\x1b[?1049l\x1b[?25h\x1b[?7h"
)
"""Everything the dashboard switches on, off again; a terminal ignores what it does not know."""

HANG_UP_SECONDS = 1.2
"""How long the dashboard may take to leave by itself once its terminal is gone."""
WRITE_SECONDS = 1.0
"""A terminal that nobody reads does not hold the guardian up for longer."""
_LOCAL_MODES = 3
_LEFT = b"left"


class Guardian:
    """The dashboard's end: say `dismiss` when the terminal was put right by other means."""

    def __init__(self, pid: int, pipe: int) -> None:
        self.pid = pid
        self._pipe: int | None = pipe

    def dismiss(self) -> None:
        """Tell the guardian that nothing is left to do, and wait for its end."""
        if self._pipe is None:
            return
        pipe, self._pipe = self._pipe, None
        with contextlib.suppress(OSError):  # it may have been killed
            os.write(pipe, _LEFT)
        os.close(pipe)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def post(terminal: int = 0) -> Guardian | None:
    """Fork the guardian; call it while the process has one thread and the terminal is as found.

    Args:
        terminal: Descriptor of the terminal.

    Returns:
        None where the descriptor is no terminal or no process can be made: the dashboard
        goes on without.
    """
    try:
        found = termios.tcgetattr(terminal)
        dashboard = os.pidfd_open(os.getpid())
    except (OSError, termios.error):
        return None
    listening, telling = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(listening)
        os.close(telling)
        os.close(dashboard)
        return None
    if pid == 0:
        try:
            os.close(telling)
            _watch(terminal, found, listening, dashboard)
        finally:
            os._exit(0)
    os.close(listening)
    os.close(dashboard)
    return Guardian(pid, telling)


def _watch(terminal: int, found: list[Any], pipe: int, dashboard: int) -> None:
    """Wait for the dashboard's end; nothing may end this before."""
    os.setsid()  # not among those that a hang-up or a signal to the foreground reaches
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    poll.register(terminal, 0)  # a hang-up is always told
    while True:
        told = {descriptor for descriptor, _ in poll.poll()}
        if pipe in told:
            break
        poll.unregister(terminal)
        if not poll.poll(1000 * HANG_UP_SECONDS):
            signal.pidfd_send_signal(dashboard, signal.SIGKILL)
    if os.read(pipe, len(_LEFT)) == _LEFT:
        return
    restore(terminal, found)


def restore(terminal: int, found: list[Any]) -> None:
    """Switch off what the dashboard switched on, and set the line as it was found.

    Args:
        terminal: Descriptor of the terminal.
        found: Its attributes from before, as `termios.tcgetattr` gave them.
    """
    with contextlib.suppress(OSError, termios.error):
        # The shell may have been quicker and have set the line for its own prompt; the
        # dashboard alone takes ctrl-c for itself.
        if not termios.tcgetattr(terminal)[_LOCAL_MODES] & termios.ISIG:
            termios.tcsetattr(terminal, termios.TCSANOW, found)
            termios.tcflush(terminal, termios.TCIFLUSH)  # what a mouse sent is not for the shell
        # Opened anew: whether writing waits is a property shared with the shell otherwise.
        flags = os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
        _write(os.open(os.ttyname(terminal), flags), RESTORE.encode())


def _write(terminal: int, data: bytes) -> None:
    end = time.monotonic() + WRITE_SECONDS
    while data and time.monotonic() < end:
        if select.select([], [terminal], [], WRITE_SECONDS)[1]:
            data = data[os.write(terminal, data) :]
