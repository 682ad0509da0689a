"""Which accelerator is held by what."""

from __future__ import annotations

from trainer_core.accelerators.base import GIB, Accelerator, DeviceProcess, Size
from trainer_core.accelerators.occupancy import accelerator_rows
from trainer_core.accelerators.pool import AcceleratorPool

STRANGER = DeviceProcess(pid=4711, user="bob", memory_used_bytes=GIB)


def pool(devices, *sizes: int, current: int = 0) -> AcceleratorPool:
    rows = tuple(
        Accelerator(index=i, size=Size(devices=n, device_memory_gb=80), current=i == current)
        for i, n in enumerate(sizes)
    )
    return AcceleratorPool(rows, tuple(devices))


def held(devices, *sizes: int, current: int = 0) -> list[list[int] | None]:
    rows = accelerator_rows(pool(devices, *sizes, current=current), user="me")
    return [[device.index for device in row.devices] if row.held else None for row in rows]


def mine(run: str) -> dict[str, object]:
    return {"held_by": run, "held_by_user": "me"}


def test_an_idle_machine_holds_nothing(cards) -> None:
    assert held(cards(8), 1, 8) == [None, None]


def test_a_run_takes_the_row_of_its_number_of_devices(card) -> None:
    devices = [card(0), card(1, **mine("run-1")), card(2, **mine("run-1")), card(3)]
    assert held(devices, 1, 2) == [None, [1, 2]]


def test_among_fitting_rows_the_current_one_comes_first(card) -> None:
    devices = [card(0, **mine("run-1")), card(1), card(2)]
    assert held(devices, 1, 1, current=1) == [None, [0]]


def test_runs_without_a_fitting_row_take_any_free_one_in_order(card) -> None:
    devices = [card(0, **mine("run-1")), card(1, **mine("run-2")), card(2, **mine("run-2"))]
    assert held(devices, 1, 4) == [[0], [1, 2]]


def test_figures_are_summed_and_averaged_over_the_devices_of_a_run(card) -> None:
    devices = [
        card(0, **mine("run-1"), memory_used_bytes=GIB, utilization_percent=100.0),
        card(1, **mine("run-1"), memory_used_bytes=2 * GIB, utilization_percent=50.0),
    ]
    (row,) = accelerator_rows(pool(devices, 2), user="me")
    assert row.run_id == "run-1"
    assert row.memory_used_bytes == 3 * GIB
    assert row.total_memory_bytes == 2 * 81559 * 2**20
    assert row.utilization_percent == 75.0
    assert row.model == "Medium.160GB"


def test_the_sum_of_an_unknown_is_unknown(card) -> None:
    devices = [card(0, **mine("run-1"), memory_used_bytes=None), card(1, **mine("run-1"))]
    (row,) = accelerator_rows(pool(devices, 2), user="me")
    assert row.memory_used_bytes is None
    assert row.total_memory_bytes is not None


def test_a_stranger_on_the_only_card_holds_the_row(card) -> None:
    (row,) = accelerator_rows(pool([card(0, processes=(STRANGER,))], 1), user="me")
    assert row.held
    assert row.run_id is None
    assert row.memory_used_bytes is not None


def test_a_stranger_elsewhere_leaves_the_row_idle_while_enough_is_idle(card) -> None:
    devices = [card(0, processes=(STRANGER,)), card(1)]
    assert held(devices, 1) == [None]
    assert held(devices, 1, 1) == [None, [0]], "the second row would get the busy card"
    assert held(devices, 2) == [[0, 1]]


def test_another_users_run_counts_as_a_stranger(card) -> None:
    devices = [card(0, held_by="run-9", held_by_user="eve")]
    (row,) = accelerator_rows(pool(devices, 1), user="me")
    assert row.held
    assert row.run_id is None


def test_a_row_that_cannot_be_formed_is_idle(card) -> None:
    assert held([card(0, processes=(STRANGER,))], 2) == [None]
    assert held([card(0), card(1, permitted=False, processes=(STRANGER,))], 2) == [None]


def test_a_process_on_several_devices_is_one_with_its_sum(card) -> None:
    devices = [
        card(0, **mine("run-1"), processes=(STRANGER,)),
        card(1, **mine("run-1"), processes=(STRANGER,)),
    ]
    (row,) = accelerator_rows(pool(devices, 2), user="me")
    (process,) = row.processes
    assert process.memory_used_bytes == 2 * GIB


def test_on_the_platform_each_device_is_a_row_as_it_says(card) -> None:
    idle = card(
        0, kind="moai", model=None, total_memory_bytes=None, memory_used_bytes=None, current=True
    )
    busy = card(1, kind="moai", model="Small.64GB", processes=(STRANGER,))
    rows = accelerator_rows(AcceleratorPool.load([idle, busy]))
    assert [(row.held, row.model, row.current) for row in rows] == [
        (False, "-", True),
        (True, "Small.64GB", False),
    ]
