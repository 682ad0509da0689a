"""A run gets idle devices first, then near ones; when it waits it says for whom."""

from __future__ import annotations

import pytest

from trainer_core.accelerators.base import GIB, DeviceProcess, DeviceSnapshot
from trainer_core.accelerators.binding import (
    Binding,
    Waiting,
    bind,
    expected_start,
    find_device,
    nearest,
    why_busy,
)
from trainer_core.accelerators.inventory import Inventory
from trainer_core.errors import ConfigError


def indices(result: Binding | Waiting) -> list[int]:
    assert isinstance(result, Binding), result
    return [device.index for device in result.devices]


def stranger(pid: int = 4711, user: str | None = "bob") -> DeviceProcess:
    return DeviceProcess(pid=pid, user=user, command="python x.py", memory_used_bytes=GIB)


def test_a_default_run_takes_the_idlest_card_not_card_0(card) -> None:
    devices = [
        card(0, memory_used_bytes=70 * GIB, processes=(stranger(),)),
        card(1, utilization_percent=35.0),
        card(2),
    ]
    assert indices(bind(Inventory(devices=tuple(devices)), 1)) == [2]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"held_by": "run-1", "held_by_user": "eve"}, "run run-1 of eve"),
        ({"held_by": "run-1"}, "run run-1"),
        ({"processes": (stranger(), stranger(5))}, "bob (pid 4711) and 1 more"),
        ({"processes": (stranger(user=None),)}, "a process (pid 4711)"),
        ({"processes_hidden": True}, "a process outside this container"),
        ({"memory_used_bytes": 5 * GIB}, "something that uses 5.0 GiB of its memory"),
        ({"memory_used_bytes": None, "utilization_percent": 90.0}, "something outside our runs"),
    ],
)
def test_a_busy_device_says_with_whom(card, fields, words) -> None:
    assert why_busy(card(**fields)) == words
    waiting = bind(Inventory(devices=(card(**fields),)), 1)
    assert waiting == Waiting(reason=f"waits for 1 device, 0 of 1 idle: {words} on device 0")


def test_little_memory_without_a_process_is_idle(card) -> None:
    assert why_busy(card(memory_used_bytes=700 * 2**20, utilization_percent=None)) is None
    assert why_busy(card(memory_used_bytes=None, utilization_percent=None)) is None


def test_the_hosts_ram_and_processes_do_not_make_its_processor_busy(card) -> None:
    cpu = card(kind="cpu", memory_used_bytes=20 * GIB, processes=(stranger(),))
    assert why_busy(cpu) is None


def test_waiting_groups_by_whom_it_waits_for(card) -> None:
    held = {"held_by": "run-1", "held_by_user": "eve"}
    devices = (card(0, **held), card(1, **held), card(2, processes=(stranger(),)), card(3))
    result = bind(Inventory(devices=devices), 2)
    assert isinstance(result, Waiting)
    assert result.reason == (
        "waits for 2 devices, 1 of 4 idle: run run-1 of eve on devices 0, 1; "
        "bob (pid 4711) on device 2"
    )


def test_more_than_there_is_is_said_at_once(card, cards) -> None:
    lost = (*cards(2), card(2, permitted=False), card(3, error="GPU 3 lost"))
    with pytest.raises(ConfigError, match="takes 3 devices and this machine offers 2"):
        bind(Inventory(devices=lost), 3)


def test_a_bound_that_leaves_nothing_is_blamed(card) -> None:
    note = "CUDA_VISIBLE_DEVICES= permits none of the 1 devices"
    shut = Inventory(devices=(card(0, permitted=False),), notes=(note,))
    with pytest.raises(ConfigError) as raised:
        bind(shut, 1)
    assert str(raised.value) == (
        f"size: it takes 1 device and this machine offers none ({note}); see `moai-tui doctor`"
    )


def test_near_devices_go_together(card) -> None:
    places = ["numa0/a", "numa1/b", "numa0/c", "numa1/b"]
    devices = [card(i, topology=tuple(place.split("/"))) for i, place in enumerate(places)]
    assert indices(bind(Inventory(devices=tuple(devices)), 2)) == [1, 3]
    assert [device.index for device in nearest(devices, 4)] == [0, 1, 2, 3]


def test_near_devices_go_together_on_machines_too_large_to_try_all_sets(card) -> None:
    devices = [card(i, topology=(f"numa{i % 2}", f"root{i}")) for i in range(32)]
    assert [device.index for device in nearest(devices, 16)] == list(range(0, 32, 2))


def test_without_topology_the_lower_numbers_go_first(cards) -> None:
    assert indices(bind(Inventory(devices=tuple(cards(8))), 4)) == [0, 1, 2, 3]


def test_named_devices_keep_their_order_and_may_be_shared_with_strangers(card) -> None:
    devices = (card(0), card(1), card(2, processes=(stranger(),)), card(3))
    result = bind(Inventory(devices=devices), 2, ("3", "2"))
    assert indices(result) == [3, 2]
    assert isinstance(result, Binding)
    assert result.notes == ("device 2 is also used by bob (pid 4711)",)


def test_a_named_device_of_another_run_is_waited_for(card) -> None:
    devices = (card(0), card(1, held_by="run-9", held_by_user="eve"))
    result = bind(Inventory(devices=devices), 1, ("1",))
    assert result == Waiting(reason="waits for run run-9 of eve on device 1")


@pytest.mark.parametrize(
    ("wanted", "count", "problem"),
    [
        (("7",), 1, "there is no device"),
        (("0", "0"), 2, "name each device once"),
        (("0",), 2, "1 named; name 2, or leave the size out"),
        (("1",), 1, "device 1 is not permitted; choose a permitted one"),
        (("-1",), 1, "there is no device"),
        (("GPU-",), 1, "name the device by its whole UUID"),
    ],
)
def test_a_wrong_name_is_one_sentence(card, wanted, count, problem) -> None:
    devices = (card(0), card(1, permitted=False))
    with pytest.raises(ConfigError) as raised:
        bind(Inventory(devices=devices), count, wanted)
    assert str(raised.value).startswith("devices: ")
    assert problem in str(raised.value)


def test_a_lost_device_is_not_given(card) -> None:
    with pytest.raises(ConfigError, match="GPU 0 lost"):
        bind(Inventory(devices=(card(0, error="GPU 0 lost"),)), 1, ("0",))


def test_a_device_is_found_by_number_uuid_or_its_beginning(card) -> None:
    devices = [card(0), card(1, uuid="MIG-abc-def")]
    assert find_device(devices, "1").index == 1
    assert find_device(devices, "mig-abc-def").index == 1
    assert find_device(devices, "MIG-").index == 1


def test_a_start_is_foretold_where_enough_holders_say_when_they_end() -> None:
    def card(index: int, until: float | None, held: bool = True) -> DeviceSnapshot:
        return DeviceSnapshot(
            uuid=f"G{index}",
            index=index,
            kind="nvidia",
            name="H100",
            held_by="r" if held else None,
            held_until=until,
        )

    cards = (card(0, 300.0), card(1, 100.0), card(2, None), card(3, None, held=False))
    assert expected_start(cards, 1) is None, "one is idle now"
    assert expected_start(cards, 2) == 100.0
    assert expected_start(cards, 3) == 300.0
    assert expected_start(cards, 4) is None, "the third holder does not say"
    waiting = bind(Inventory(devices=cards), 2)
    assert isinstance(waiting, Waiting)
    assert ", expected at about " in waiting.reason
    silent = bind(Inventory(devices=cards), 4)
    assert isinstance(silent, Waiting)
    assert "expected" not in silent.reason
