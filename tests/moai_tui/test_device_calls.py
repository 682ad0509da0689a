from __future__ import annotations

import pytest

from moai_tui.device_calls import carry_out
from moai_tui.messages import DeviceWish, PoolChangeWanted, SignalWanted
from trainer_core.accelerators.base import DeviceProcess, Size
from trainer_core.accelerators.pool import AcceleratorPool

SMALL, MEDIUM, LARGE = (Size(devices=count, device_memory_gb=80) for count in (1, 2, 4))


def test_accelerators_are_added_switched_resized_and_removed(own_folders, facts):
    machine = facts.cards(2)
    said = [
        carry_out(PoolChangeWanted("add", machine, size=MEDIUM)),
        carry_out(PoolChangeWanted("switch", machine, 1)),
        carry_out(PoolChangeWanted("resize", machine, 1, SMALL)),
        carry_out(PoolChangeWanted("remove", machine, 0)),
    ]
    assert [answer.text for answer in said] == [
        "Create device success.",
        "Switch Current Device success.",
        'The MoAI Accelerator model is successfully switched to  "Small.80GB".',
        "Remove device success.",
    ]
    assert all(answer.ok for answer in said)
    (row,) = AcceleratorPool.load(machine).accelerators
    assert (row.size, row.current) == (SMALL, True)


def test_what_cannot_be_done_is_one_sentence(own_folders, facts):
    answer = carry_out(PoolChangeWanted("add", facts.cards(2), size=LARGE))
    assert not answer.ok
    assert "needs 4 devices" in answer.text
    gone = carry_out(SignalWanted(DeviceProcess(pid=2**22 + 7), "TERM"))
    assert not gone.ok


def test_an_unknown_wish_is_our_own_mistake(own_folders):
    assert not carry_out(DeviceWish()).ok


@pytest.fixture(autouse=True)
def _home(own_folders):
    """Every test writes into folders of its own."""
