"""Signals to processes that were seen on a device: the user's own, and really the ones seen.

A process number is given to another process once its owner has ended, so the process is held by
a descriptor first, then looked at, and the signal goes to the descriptor.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from trainer_core.errors import UserError

SAME_START_SECONDS = 1.0
"""Two ways of reading one start time differ by rounding."""


def send_signal(pid: int, started_at: float | None, name: str) -> None:
    """Send `SIG<name>` to a process of this user.

    Args:
        pid: Number as it was shown.
        started_at: Unix time at which the shown process started; None is unknown.
        name: `INT`, `TERM` or `KILL`.

    Raises:
        UserError: It has ended, its number belongs to another process now, or to another user.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        raise UserError(f"Process {pid} has ended already; nothing was sent") from None
    except OSError as error:
        raise UserError(f"Process {pid} cannot be reached ({error.strerror})") from error
    try:
        _look_at(pid, started_at)
        signal.pidfd_send_signal(descriptor, signal.Signals[f"SIG{name}"])
    except ProcessLookupError:
        raise UserError(f"Process {pid} has ended already; nothing was sent") from None
    except PermissionError as error:
        raise _not_yours(pid) from error
    finally:
        os.close(descriptor)


def is_own(pid: int) -> bool:
    """Say whether a process belongs to this user."""
    try:
        return Path(f"/proc/{pid}").stat().st_uid == os.getuid()
    except OSError:
        return False


def _look_at(pid: int, started_at: float | None) -> None:
    from trainer_core.accelerators.processes import describe

    seen = describe(pid, None)
    if seen is None:
        raise ProcessLookupError
    if not is_own(pid):
        raise _not_yours(pid)
    both_known = started_at is not None and seen.started_at is not None
    if both_known and abs((seen.started_at or 0) - (started_at or 0)) > SAME_START_SECONDS:
        raise UserError(f"Process {pid} is another one by now; look again, nothing was sent")


def _not_yours(pid: int) -> UserError:
    return UserError(f"Process {pid} belongs to somebody else; nothing was sent")
