"""From devices and runs to the platform's rows: which accelerator is held, and by how much."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from moai_tui.widgets.accelerator_table import AcceleratorRow
from trainer_core.accelerators.base import Accelerator, DeviceSnapshot

NAME = "MoAI Accelerator"
"""What the platform calls every accelerator."""


def accelerator_rows(
    accelerators: Sequence[Accelerator], devices: Sequence[DeviceSnapshot]
) -> tuple[AcceleratorRow, ...]:
    """Return one row an accelerator.

    On a MoAI machine a row is a device. Elsewhere the devices that one run holds belong to the
    first free row of that size; what other processes hold belongs to the rows that are left.
    """
    held: dict[int, list[DeviceSnapshot]] = {}
    if any(device.kind == "moai" for device in devices):
        held = {device.index: [device] for device in devices if device.running}
    else:
        order = sorted(accelerators, key=lambda row: (not row.current, row.index))
        for group in _groups(devices):
            free = [row for row in order if row.index not in held]
            fitting = [row for row in free if row.size.devices == len(group)] or free
            if fitting:
                held[fitting[0].index] = group
    return tuple(_row(accelerator, held.get(accelerator.index, [])) for accelerator in accelerators)


def _groups(devices: Sequence[DeviceSnapshot]) -> list[list[DeviceSnapshot]]:
    """Return held devices by holder; a device used by strangers stands alone."""
    groups: dict[str, list[DeviceSnapshot]] = {}
    for device in devices:
        if device.running:
            groups.setdefault(device.held_by or device.uuid, []).append(device)
    return list(groups.values())


def _row(accelerator: Accelerator, devices: Sequence[DeviceSnapshot]) -> AcceleratorRow:
    return AcceleratorRow(
        index=accelerator.index,
        current=accelerator.current,
        name=NAME,
        model=accelerator.size.label,
        held=bool(devices),
        memory_used_bytes=_sum(device.memory_used_bytes for device in devices),
        total_memory_bytes=_sum(device.total_memory_bytes for device in devices),
        utilization_percent=_mean([device.utilization_percent for device in devices]),
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    """Add up; the sum of an unknown is unknown."""
    known = list(counts)
    return sum(count for count in known if count is not None) if None not in known else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
