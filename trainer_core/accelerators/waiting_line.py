"""Who waits for devices: first come, first served, among all users of a machine.

Each waiting run has a ticket: a file beside the device locks, named by the moment it came and
locked by its supervisor. The kernel frees that lock however the supervisor dies, so a ticket
counts exactly as long as somebody waits behind it. A run may take what those before it leave.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.accelerators.binding import why_busy
from trainer_core.accelerators.locks import (
    lock_directory,
    plain_word,
    shared_directory,
    user_name,
)

_NAME = re.compile(r"(\d{20})-[0-9a-f]{8}\.ticket")
_FILE_MODE = 0o644
"""Every user reads who is before him; only the waiting run writes."""
_TICKET_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticket:
    """One run that waits."""

    arrived: int
    """Monotonic nanoseconds of this boot: the order of service."""
    run_id: str
    user: str | None
    count: int
    """Devices it needs."""
    uuids: tuple[str, ...]
    """Devices it may be given."""
    named: bool = False
    """Whether the user named them, so that another program's use does not matter."""


class WaitingLine:
    """A run's place in the line; it keeps its place when the run starts again after a crash."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._arrived = time.monotonic_ns()
        self._path: Path | None = None
        self._file: int | None = None

    def join(self, count: int, uuids: Sequence[str], *, named: bool) -> None:
        """Stand in line for `count` of these devices; does nothing when already there.

        A full disk leaves the run without a ticket: it gets its devices, only not by its turn.

        Raises:
            UserError: The lock folder cannot be used.
        """
        directory = shared_directory()
        fields = {
            "run": self._run_id,
            "user": user_name(),
            "count": count,
            "uuids": list(uuids),
            "named": named,
        }
        with contextlib.suppress(OSError):
            while self._file is None:
                self._draw(directory, json.dumps(fields).encode())

    def ahead(self) -> tuple[Ticket, ...]:
        """Return who came earlier and still waits for a device this run may get, in order."""
        if self._path is None:
            return ()
        mine = read_ticket(self._path)
        own = set(mine.uuids) if mine else set()
        tickets = []
        for path in sorted(self._path.parent.glob("*.ticket")):
            if path >= self._path:
                break
            ticket = _living_ticket(path)
            if ticket is not None and own & set(ticket.uuids):
                tickets.append(ticket)
        return tuple(tickets)

    def leave(self) -> None:
        """Give the ticket up: the run has its devices, or wants them no more."""
        if self._file is None or self._path is None:
            return
        self._path.unlink(missing_ok=True)
        os.close(self._file)
        self._path = self._file = None

    def _draw(self, directory: Path, content: bytes) -> None:
        path = directory / f"{self._arrived:020d}-{os.urandom(4).hex()}.ticket"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _FILE_MODE)
        try:
            os.fchmod(file, _FILE_MODE)
            os.write(file, content)
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            path.unlink(missing_ok=True)
            os.close(file)
            raise
        # Before it was locked a reader may have taken the ticket for a dead run's.
        if path.exists():
            self._path, self._file = path, file
        else:
            os.close(file)


def tickets() -> tuple[Ticket, ...]:
    """Return everybody who waits on this machine, in the order of service."""
    living = (_living_ticket(path) for path in sorted(lock_directory().glob("*.ticket")))
    return tuple(ticket for ticket in living if ticket is not None)


def kept_for_others(
    devices: Sequence[DeviceSnapshot], ahead: Sequence[Ticket]
) -> tuple[DeviceSnapshot, ...]:
    """Mark idle devices as held by the runs that came first, as many as each needs.

    A run that cannot start yet keeps what it has seen fall idle, so that a large one is not
    starved by small ones; what it does not need is left to those behind it.
    """
    kept: dict[str, Ticket] = {}
    for ticket in ahead:
        free = [
            device
            for device in devices
            if device.uuid in ticket.uuids
            and device.uuid not in kept
            and (device.held_by is None if ticket.named else why_busy(device) is None)
        ]
        kept |= {device.uuid: ticket for device in free[: ticket.count]}
    return tuple(
        replace(device, held_by=kept[device.uuid].run_id, held_by_user=kept[device.uuid].user)
        if device.uuid in kept
        else device
        for device in devices
    )


def place_in_words(ahead: Sequence[Ticket]) -> str:
    """Return a waiting run's place, e.g. `place 2 in the line, after run … of bob`."""
    if not ahead:
        return "first in the line"
    last = ahead[-1]
    of = f" of {last.user}" if last.user else ""
    return f"place {len(ahead) + 1} in the line, after run {last.run_id}{of}"


def read_ticket(path: Path) -> Ticket | None:
    """Return what a ticket says; None where it is none. Another user may have written it."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        return None
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fields = json.loads(os.pread(file, _TICKET_BYTES, 0))
        finally:
            os.close(file)
        return Ticket(
            arrived=int(match[1]),
            run_id=plain_word(fields["run"]) or "unknown",
            user=plain_word(fields["user"]),
            count=max(0, int(fields["count"])),
            uuids=tuple(str(uuid) for uuid in fields["uuids"]),
            named=bool(fields["named"]),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _living_ticket(path: Path) -> Ticket | None:
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return read_ticket(path)
    except OSError:
        return None
    else:
        with contextlib.suppress(OSError):  # another user's; it counts for nothing all the same
            path.unlink()
        return None
    finally:
        os.close(file)
