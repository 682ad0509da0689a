"""Who a process is, and whether it still lives: nothing here trusts a bare process number.

A process is its boot, number and start time, and every rank carries its run's id in the
environment. Signals go through a pidfd that is opened before the identity is checked, so a
reused number is never signalled.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

from trainer_core.regular_file import read_regular

RUN_VARIABLE = "MOAI_TUI_RUN"
"""Environment variable that marks every process of a run with the run's id."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


class ProcessIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """One process of one boot of one host; written into the lock file by its holder."""

    pid: int
    start_time: int
    """Clock ticks after boot, field 22 of the stat file."""
    boot_id: str
    host: str
    since: float = 0.0
    """Unix time, for people."""


@cache
def boot_id() -> str:
    """Return the kernel's id of this boot; empty where there is none to be read."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def start_time(pid: int) -> int | None:
    """Return when a living process started, in ticks after boot; None when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def own_identity(since: float) -> ProcessIdentity:
    """Return the identity of this process."""
    return ProcessIdentity(
        pid=os.getpid(),
        start_time=start_time(os.getpid()) or 0,
        boot_id=boot_id(),
        host=socket.gethostname(),
        since=since,
    )


def lives_here(identity: ProcessIdentity) -> bool:
    """Say whether the process lives, as far as this host's process table can tell."""
    return identity.boot_id == boot_id() and start_time(identity.pid) == identity.start_time


class RunLock:
    """The lock of a run folder: held by its supervisor for life, freed by the kernel.

    The file is never deleted; its content names the holder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def acquire(self, identity: ProcessIdentity) -> bool:
        """Take the lock and write who holds it; False when another process has it.

        Raises:
            OSError: Where the file system has no flock.
        """
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        except OSError:
            os.close(file)
            raise
        os.ftruncate(file, 0)
        os.pwrite(file, msgspec.json.encode(identity) + b"\n", 0)
        os.fsync(file)
        self._file = file
        return True

    def release(self) -> None:
        """Free the lock; the file stays."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def lock_holder(path: Path) -> ProcessIdentity | None:
    """Return who took a run's lock last, whether or not it lives; None when nobody did."""
    try:
        return msgspec.json.decode(read_regular(path), type=ProcessIdentity)
    except (OSError, msgspec.DecodeError):
        return None


def lock_is_held(path: Path) -> bool:
    """Say whether a living process of this kernel holds the lock.

    Readers share: asking does not keep a supervisor from taking it for longer than an instant.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        holder = lock_holder(path)
        return holder is not None and lives_here(holder)
    else:
        return False
    finally:
        os.close(file)


def die_with_parent(parent: int | None) -> None:
    """Have the kernel kill this process when its parent dies; at once if it already did.

    Call from the main thread: the signal is tied to the thread of the parent that forked.

    Args:
        parent: Process number the parent had when it started us; None takes today's.
    """
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies (a subreaper)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def processes_of_run(run_id: str) -> Iterator[int]:
    """Yield the living processes of this user that carry the run's id in their environment."""
    mark = f"{RUN_VARIABLE}={run_id}".encode()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        pid = int(entry.name)
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if mark in environment and pid != os.getpid() and start_time(pid) is not None:
            yield pid


def signal_run_process(pid: int, run_id: str, number: signal.Signals) -> bool:
    """Signal a process only if it is, through one and the same pidfd, one of the run.

    Returns:
        False when it is gone or a stranger.
    """
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        if f"{RUN_VARIABLE}={run_id}".encode() not in environment:
            return False
        signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _prctl(option: int, value: int) -> None:
    import ctypes  # 3 ms that only the processes of a run need

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
