"""Where every thread of every rank stands, written down when a rank does not get further.

A rank has its interpreter write its stacks on a signal, from the signal handler itself, so that
a main thread deep in native code is no hindrance. A frozen process cannot answer; the kernel's
word on its state is written in its place, and its stacks follow when it goes on.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

DUMP_SIGNAL = signal.SIGUSR2

_STATES = {
    "T": "it is stopped by a signal (SIGSTOP)",
    "t": "a debugger holds it",
    "D": "it waits in the kernel, for a disk or a driver",
    "Z": "it has ended",
}


def stacks_path(logs: Path, rank: int) -> Path:
    """Return the file of a rank's stacks."""
    return logs / f"rank-{rank}.stacks"


def write_stacks_on_signal(path: Path) -> None:
    """Have this process append the stacks of all its threads to `path` on `DUMP_SIGNAL`."""
    with suppress(OSError):  # a full disk is no reason not to train
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = path.open("a", encoding="utf-8")
        os.chmod(path, 0o600)
        faulthandler.register(DUMP_SIGNAL, file=file, all_threads=True, chain=False)


def ask_for_stacks(path: Path, pid: int, why: str) -> None:
    """Have a child that was not yet waited for write its stacks under a line that says why."""
    state = state_in_words(pid)
    moment = time.strftime("%Y-%m-%d %H:%M:%S")
    with suppress(OSError), path.open("a", encoding="utf-8") as file:
        os.chmod(path, 0o600)
        file.write(f"{moment} {why}{f'; {state}' if state else ''}\n")
    if _catches(pid, DUMP_SIGNAL):
        with suppress(OSError):
            os.kill(pid, DUMP_SIGNAL)


def state_in_words(pid: int) -> str | None:
    """Say what keeps a process, as far as the kernel shows it; None where nothing is unusual."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return None
    return _STATES.get(state)


def _catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal: without one it would end it."""
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False
