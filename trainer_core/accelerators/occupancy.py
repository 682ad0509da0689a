"""Which accelerator holds which devices now: the rows of `smi` and of the home screen.

A run is given devices, not a row, so rows are matched to what is held:

1. Each of this user's runs that hold locks takes the first free row of its number of devices,
   the current row before others, else any free row in order.
2. A row that is left would be given the idlest devices that are left. When those are idle the
   row is idle; when not even that many are idle it is held, by whoever uses them.
3. A row this machine cannot form is idle.

On a MoAI machine each row is one virtual device and nothing has to be matched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainer_core.accelerators.base import Accelerator, DeviceProcess, DeviceSnapshot
from trainer_core.accelerators.binding import why_busy
from trainer_core.accelerators.locks import user_name
from trainer_core.accelerators.pool import AcceleratorPool

OWN_NAME = "MoAI Accelerator"
"""What an accelerator on own hardware is called, as on the platform."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AcceleratorRow:
    """One accelerator with what holds it; figures are None unless it is held."""

    index: int
    current: bool
    name: str
    model: str
    """Size with memory, e.g. `xLarge.640GB`."""
    held: bool = False
    run_id: str | None = None
    """Run of this user that holds it; None for a stranger or nobody."""
    devices: tuple[DeviceSnapshot, ...] = ()
    """The devices behind a held row."""
    memory_used_bytes: int | None = None
    total_memory_bytes: int | None = None
    utilization_percent: float | None = None
    """Mean over the devices."""

    @property
    def processes(self) -> tuple[DeviceProcess, ...]:
        """Every process on the row's devices, once; a process on several with its sum."""
        merged: dict[int, DeviceProcess] = {}
        for device in self.devices:
            for process in device.processes:
                known = merged.get(process.pid)
                merged[process.pid] = process if known is None else _added(known, process)
        return tuple(merged.values())


def accelerator_rows(pool: AcceleratorPool, user: str | None = None) -> tuple[AcceleratorRow, ...]:
    """Return every accelerator of the pool with what holds it now.

    Args:
        pool: The user's accelerators, loaded with the devices of a fresh reading.
        user: Whose runs are "ours"; None is this process's user.
    """
    if pool.on_platform:
        return tuple(_platform_row(device) for device in pool.devices if device.kind == "moai")
    user = user_name() if user is None else user
    usable = [device for device in pool.devices if device.permitted and not device.error]
    runs = _own_runs(pool.devices, user)
    taken = _rows_of_runs(pool.accelerators, runs)
    in_runs = {device.uuid for devices in runs.values() for device in devices}
    left = [device for device in usable if device.uuid not in in_runs]
    rows = []
    for accelerator in pool.accelerators:
        run_id = taken.get(accelerator.index)
        if run_id is not None:
            rows.append(_held_row(accelerator, runs[run_id], run_id))
            continue
        given = _would_get(left, usable, accelerator.size.devices)
        left = [device for device in left if device not in given]
        busy = any(why_busy(device) for device in given)
        rows.append(_held_row(accelerator, given, None) if busy else _idle_row(accelerator))
    return tuple(rows)


def _own_runs(devices: Sequence[DeviceSnapshot], user: str) -> dict[str, list[DeviceSnapshot]]:
    runs: dict[str, list[DeviceSnapshot]] = {}
    for device in devices:
        if device.held_by is not None and device.held_by_user in (user, None):
            runs.setdefault(device.held_by, []).append(device)
    return runs


def _rows_of_runs(
    accelerators: Sequence[Accelerator], runs: dict[str, list[DeviceSnapshot]]
) -> dict[int, str]:
    """Match runs to rows: rule 1 of the module. Returns run ids by row number."""
    order = sorted(accelerators, key=lambda row: (not row.current, row.index))
    taken: dict[int, str] = {}
    waiting: list[str] = []
    for run_id in sorted(runs):  # run ids begin with their time
        fitting = [
            row for row in order if row.index not in taken and row.size.devices == len(runs[run_id])
        ]
        if fitting:
            taken[fitting[0].index] = run_id
        else:
            waiting.append(run_id)
    for run_id in waiting:
        free = [row for row in accelerators if row.index not in taken]
        if free:
            taken[free[0].index] = run_id
    return taken


def _would_get(
    left: Sequence[DeviceSnapshot], usable: Sequence[DeviceSnapshot], count: int
) -> list[DeviceSnapshot]:
    """Choose idle devices first: among those no other row has, else among all."""
    pool = left if len(left) >= count else usable
    ranked = sorted(pool, key=lambda device: (why_busy(device) is not None, device.index))
    given = ranked[:count] if len(ranked) >= count else []
    return sorted(given, key=lambda device: device.index)


def _held_row(
    accelerator: Accelerator, devices: Sequence[DeviceSnapshot], run_id: str | None
) -> AcceleratorRow:
    utilization = [device.utilization_percent for device in devices]
    known = [figure for figure in utilization if figure is not None]
    return AcceleratorRow(
        index=accelerator.index,
        current=accelerator.current,
        name=OWN_NAME,
        model=accelerator.size.label,
        held=True,
        run_id=run_id,
        devices=tuple(devices),
        memory_used_bytes=_sum([device.memory_used_bytes for device in devices]),
        total_memory_bytes=_sum([device.total_memory_bytes for device in devices]),
        utilization_percent=sum(known) / len(known) if len(known) == len(utilization) else None,
    )


def _idle_row(accelerator: Accelerator) -> AcceleratorRow:
    return AcceleratorRow(
        index=accelerator.index,
        current=accelerator.current,
        name=OWN_NAME,
        model=accelerator.size.label,
    )


def _platform_row(device: DeviceSnapshot) -> AcceleratorRow:
    """Show what the platform's tool shows: it gives figures exactly while a job holds it."""
    held = bool(device.processes) or device.total_memory_bytes is not None
    return AcceleratorRow(
        index=device.index,
        current=device.current,
        name=device.name,
        model=device.model or "-",
        held=held,
        run_id=device.held_by,
        devices=(device,),
        memory_used_bytes=device.memory_used_bytes,
        total_memory_bytes=device.total_memory_bytes,
        utilization_percent=device.utilization_percent,
    )


def _added(known: DeviceProcess, process: DeviceProcess) -> DeviceProcess:
    from dataclasses import replace

    total = _sum([known.memory_used_bytes, process.memory_used_bytes])
    return replace(known, memory_used_bytes=total)


def _sum(figures: Sequence[int | None]) -> int | None:
    """Add up; the sum of an unknown is unknown."""
    known = [figure for figure in figures if figure is not None]
    return sum(known) if known and len(known) == len(figures) else None
