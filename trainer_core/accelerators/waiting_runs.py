"""Everybody's runs that wait for devices, in order, with when each is likely to start."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.accelerators.binding import expected_start, start_in_words
from trainer_core.accelerators.waiting_line import Ticket, tickets


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitingRun:
    """One run in the line of this machine."""

    place: int
    """1 is served first."""
    run_id: str
    user: str | None
    devices: int
    """How many it needs."""
    expected_start: float | None
    """Unix time in seconds; None where it could be now or too few holders say when they end."""


def waiting_runs(
    devices: Sequence[DeviceSnapshot], line: Sequence[Ticket] | None = None
) -> tuple[WaitingRun, ...]:
    """Return who waits, first served first.

    Args:
        devices: A fresh reading with the holders' published ends.
        line: Tickets in their order; None reads this machine's.
    """
    line = tickets() if line is None else line
    return tuple(
        WaitingRun(
            place=place,
            run_id=ticket.run_id,
            user=ticket.user,
            devices=ticket.count,
            expected_start=_start(devices, ticket, line[: place - 1]),
        )
        for place, ticket in enumerate(line, start=1)
    )


def waiting_in_words(run: WaitingRun) -> str:
    """Return `run … of bob waits for 2 devices, expected at about 17:40`."""
    of = f" of {run.user}" if run.user else ""
    need = f"{run.devices} device{'' if run.devices == 1 else 's'}"
    return f"run {run.run_id}{of} waits for {need}{start_in_words(run.expected_start)}"


def _start(
    devices: Sequence[DeviceSnapshot], ticket: Ticket, ahead: Sequence[Ticket]
) -> float | None:
    """Foretell a start: when the devices of the run and of all before it will be idle.

    Those before it may be served earlier and then hold what they got for a time nobody knows,
    so this is the moment that can be promised from what the holders say now.
    """
    wanted = set(ticket.uuids)
    before = sum(other.count for other in ahead if wanted & set(other.uuids))
    offered = [device for device in devices if device.uuid in wanted]
    moment = expected_start(offered, before + ticket.count)
    return None if moment is None else max(moment, time.time())
