"""Who a process is: user, command line, start, memory. psutil is imported on first use."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from trainer_core.accelerators.base import DeviceProcess

if TYPE_CHECKING:
    from psutil import Process


def describe(pid: int, memory_used_bytes: int | None) -> DeviceProcess | None:
    """Describe a process that uses a device; None when this host does not know its number.

    Args:
        pid: Number as the driver gives it.
        memory_used_bytes: What it holds on the device, None where the driver does not say.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        started_at = process.create_time()
    except (psutil.Error, OSError, ValueError, OverflowError):
        return None
    return DeviceProcess(
        pid=pid,
        memory_used_bytes=memory_used_bytes,
        command=_command(process),
        user=_user(process),
        started_at=started_at,
    )


def descendants(pid: int) -> frozenset[int]:
    """Return the numbers of a process and of all it started, directly or not."""
    import psutil

    try:
        family = psutil.Process(pid).children(recursive=True)
    except (psutil.Error, OSError):
        return frozenset((pid,))
    return frozenset((pid, *(child.pid for child in family)))


def children(pid: int) -> tuple[DeviceProcess, ...]:
    """Return the direct children of a process in order of start, with their resident memory.

    What a child started itself (data workers) counts as its memory.
    """
    import psutil

    try:
        started = sorted(psutil.Process(pid).children(), key=_order)
    except (psutil.Error, OSError):
        return ()
    described = (describe(child.pid, _resident_bytes(child)) for child in started)
    return tuple(process for process in described if process is not None)


def _order(process: Process) -> tuple[float, int]:
    import psutil

    try:
        return process.create_time(), process.pid
    except (psutil.Error, OSError):
        return float("inf"), process.pid


def _resident_bytes(process: Process) -> int | None:
    import psutil

    total = 0
    try:
        for member in (process, *process.children(recursive=True)):
            total += member.memory_info().rss
    except (psutil.Error, OSError):
        return total or None
    return total


def _command(process: Process) -> str | None:
    import psutil

    try:
        words = process.cmdline()
        return shlex.join(words) if words else process.name()
    except (psutil.Error, OSError):
        return None


def _user(process: Process) -> str | None:
    import psutil

    try:
        return str(process.username())
    except (psutil.Error, OSError, KeyError):
        return None
