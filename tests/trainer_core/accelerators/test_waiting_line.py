"""First come, first served: tickets in order, gone with their run, and what they keep free."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.accelerators.waiting_line import (
    Ticket,
    WaitingLine,
    kept_for_others,
    place_in_words,
    read_ticket,
)

CARDS = tuple(
    DeviceSnapshot(index=number, uuid=f"GPU-{number}", kind="nvidia", name="H100")
    for number in range(4)
)
WAIT = """
import sys
from trainer_core.accelerators.waiting_line import WaitingLine
line = WaitingLine(sys.argv[1])
line.join(2, ["GPU-0", "GPU-1"], named=False)
print("waits", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOAI_TUI_LOCKS", str(tmp_path / "locks"))
    return tmp_path / "locks"


def line(run_id: str, count: int, *uuids: str, named: bool = False) -> WaitingLine:
    made = WaitingLine(run_id)
    made.join(count, uuids, named=named)
    return made


def ticket(run_id: str, count: int, *uuids: str, named: bool = False) -> Ticket:
    return Ticket(arrived=1, run_id=run_id, user="bob", count=count, uuids=uuids, named=named)


def test_those_who_came_earlier_are_ahead_in_their_order(folder: Path) -> None:
    first, second = line("a", 1, "GPU-0"), line("b", 2, "GPU-0", "GPU-1")
    third, elsewhere = line("c", 1, "GPU-0"), line("d", 1, "GPU-3")
    assert first.ahead() == ()
    assert [seen.run_id for seen in third.ahead()] == ["a", "b"]
    assert elsewhere.ahead() == ()
    assert place_in_words(third.ahead()).startswith("place 3 in the line, after run b of ")
    first.leave()
    first.leave()
    assert [seen.run_id for seen in third.ahead()] == ["b"]
    second.leave()
    assert place_in_words(third.ahead()) == "first in the line"


def test_a_place_is_kept_over_a_restart(folder: Path) -> None:
    first, second = line("a", 1, "GPU-0"), line("b", 1, "GPU-0")
    first.leave()
    assert second.ahead() == ()
    first.join(1, ["GPU-0"], named=False)
    assert [seen.run_id for seen in second.ahead()] == ["a"]


def test_a_killed_run_waits_no_more_and_its_ticket_is_cleared(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAIT, "dead"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        mine = line("mine", 1, "GPU-0")
        assert [seen.run_id for seen in mine.ahead()] == ["dead"]
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    assert mine.ahead() == ()
    assert len(list(folder.iterdir())) == 1


def test_every_user_may_read_a_ticket_and_nobody_else_write_it(folder: Path) -> None:
    before = os.umask(0o077)
    try:
        line("a", 1, "GPU-0")
    finally:
        os.umask(before)
    (path,) = folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"run": 1}', "[" * 100_000])
def test_a_ticket_that_is_none_is_not_believed(text: str, folder: Path) -> None:
    folder.mkdir()
    path = folder / f"{7:020d}-00000000.ticket"
    path.write_text(text)
    assert read_ticket(path) is None
    assert read_ticket(folder / "other.ticket") is None


def test_a_large_run_is_not_starved_by_small_ones() -> None:
    busy = replace(CARDS[0], held_by="running", held_by_user="eve")
    uuids = tuple(card.uuid for card in CARDS)
    seen = kept_for_others((busy, *CARDS[1:]), [ticket("large", 4, *uuids)])
    assert [card.held_by for card in seen] == ["running", "large", "large", "large"]


def test_what_those_ahead_do_not_need_is_left() -> None:
    uuids = tuple(card.uuid for card in CARDS)
    ahead = [ticket("a", 1, *uuids), ticket("b", 1, "GPU-2", named=True)]
    assert [card.held_by for card in kept_for_others(CARDS, ahead)] == ["a", None, "b", None]


def test_a_named_card_is_kept_although_another_program_uses_it() -> None:
    used = replace(CARDS[2], memory_used_bytes=2**35)
    devices = (*CARDS[:2], used)
    named = kept_for_others(devices, [ticket("a", 1, "GPU-2", named=True)])
    assert [card.held_by for card in named] == [None, None, "a"]
    any_card = kept_for_others(devices, [ticket("a", 1, "GPU-2")])
    assert [card.held_by for card in any_card] == [None, None, None]
