"""Who waits, in order, and when each is likely to start."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.accelerators.waiting_line import Ticket, WaitingLine
from trainer_core.accelerators.waiting_runs import waiting_in_words, waiting_runs

NOON = time.time() + 3600
UUIDS = tuple(f"GPU-{number}" for number in range(4))
CARDS = tuple(
    DeviceSnapshot(
        index=number,
        uuid=uuid,
        kind="nvidia",
        name="H100",
        held_by=f"run-{number}",
        held_until=NOON + 100 * number,
    )
    for number, uuid in enumerate(UUIDS)
)


def ticket(run_id: str, count: int, *uuids: str) -> Ticket:
    return Ticket(arrived=1, run_id=run_id, user="bob", count=count, uuids=uuids or UUIDS)


def test_a_start_is_foretold_from_the_ends_that_the_holders_publish() -> None:
    first, second, third = waiting_runs(
        CARDS, [ticket("a", 1), ticket("b", 2), ticket("c", 1, "GPU-3")]
    )
    assert (first.place, first.run_id, first.devices, first.user) == (1, "a", 1, "bob")
    assert first.expected_start == NOON
    assert second.expected_start == NOON + 200, "its own two after the one before it"
    assert third.expected_start is None, "more are wanted of the one device than there are"


def test_what_is_not_known_is_not_foretold() -> None:
    silent = replace(CARDS[0], held_until=None)
    late = replace(CARDS[1], held_until=time.time() - 60)
    (alone,) = waiting_runs([silent], [ticket("a", 1)])
    assert alone.expected_start is None
    assert waiting_in_words(alone) == "run a of bob waits for 1 device"
    (overdue,) = waiting_runs([silent, late], [ticket("a", 1)])
    assert overdue.expected_start is not None
    assert abs(overdue.expected_start - time.time()) < 5, "never a moment that is past"
    assert ", expected at about" in waiting_in_words(overdue)


def test_the_line_of_this_machine_is_read(tmp_path: Path) -> None:
    line = WaitingLine("20261124-1")
    line.join(2, UUIDS, named=False)
    try:
        (waiting,) = waiting_runs(CARDS)
        assert (waiting.run_id, waiting.expected_start) == ("20261124-1", NOON + 100)
    finally:
        line.leave()
    assert waiting_runs(CARDS) == ()
