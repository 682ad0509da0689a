"""What the planner needs to know of a machine, from the devices that were read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal, cast

from trainer_core.accelerators.base import SIZE_NAMES, DeviceSnapshot
from trainer_core.accelerators.sizes import device_memory_gb, most_allowed
from trainer_core.plan.peaks import (
    CPU_CORE_FLOPS,
    CPU_LINK_BANDWIDTH,
    CPU_MEMORY_BANDWIDTH,
    peaks_of,
)
from trainer_core.plan.types import Hardware

DRIVER_SHARE_BYTES = 700 << 20
"""Context, kernels and communicator of a process on a card, which torch does not count: about
0.5 GiB on an H100, a little more with NCCL."""

CPU_RESERVE_BYTES = 256 << 20
"""What is left to the rest of a host."""

IDLE_BYTES = 1 << 30
"""A card with less than this in use counts as idle: the driver itself holds some hundred MiB."""


def hardware_from(devices: Sequence[DeviceSnapshot], precision: str = "auto") -> Hardware | None:
    """Describe the permitted devices of this machine.

    Memory is what a run would find: where idle devices are enough they set it, since a run takes
    those first; what a run of ours holds counts as free, since a run waits for it.

    Args:
        devices: As read; those that are not permitted or lost are left out.
        precision: `auto`, `fp32` or `bf16`: which rate is meant.

    Returns:
        None where no device is permitted.
    """
    usable = [device for device in devices if device.permitted and not device.error]
    if not usable:
        return None
    first = usable[0]
    free = [_free_bytes(device) for device in usable]
    known = [amount for amount in free if amount is not None]
    idle = [
        amount
        for amount, device in zip(free, usable, strict=True)
        if amount is not None and _foreign_bytes(device) < IDLE_BYTES
    ]
    memory = min(idle) if idle and first.kind != "cpu" else max(known, default=0)
    cpu = first.kind == "cpu"
    peaks = None if cpu else peaks_of(first.name)
    return Hardware(
        kind=first.kind,
        name=first.name,
        # On the platform every size can be formed, whatever the one virtual device holds.
        devices=max(SIZE_NAMES) if first.kind == "moai" else len(usable),
        memory_bytes=memory,
        device_memory_gb=device_memory_gb(devices),
        matmul_flops=_cpu_flops(usable) if cpu else matmul_flops(first.name, precision),
        memory_bandwidth=CPU_MEMORY_BANDWIDTH if cpu else peaks.memory_bandwidth if peaks else None,
        link_bandwidth=CPU_LINK_BANDWIDTH if cpu else peaks.link_bandwidth if peaks else None,
        largest_allowed=most_allowed(),
        driver=first.driver_version,
    )


def settled_precision(kind: str, name: str, precision: str) -> Literal["fp32", "bf16"]:
    """Return what `precision: auto` means: fp32 on every CPU, bf16 on cards that have it."""
    if precision in ("fp32", "bf16"):
        return cast("Literal['fp32', 'bf16']", precision)
    if kind == "cpu":
        return "fp32"
    peaks = peaks_of(name)
    return "fp32" if peaks is not None and peaks.bf16_flops is None else "bf16"


def matmul_flops(name: str, precision: str) -> float | None:
    """Return a card's dense rate in a precision; None where the card is not known."""
    peaks = peaks_of(name)
    if peaks is None:
        return None
    if precision == "fp32" or peaks.bf16_flops is None:
        return peaks.fp32_flops
    return peaks.bf16_flops


def _cpu_flops(devices: Sequence[DeviceSnapshot]) -> float:
    """Return the rate of the share of a processor that has the fewest cores."""
    own = [len(device.cores) for device in devices if device.cores]
    if not own:
        own = [max(1, (os.cpu_count() or 1) // len(devices))]
    return min(own) * CPU_CORE_FLOPS


def _foreign_bytes(device: DeviceSnapshot) -> int:
    """Return what others than runs of ours hold; a run of ours is waited for."""
    return 0 if device.held_by else device.memory_used_bytes or 0


def _free_bytes(device: DeviceSnapshot) -> int | None:
    if device.total_memory_bytes is None:
        return None
    reserve = CPU_RESERVE_BYTES if device.kind == "cpu" else DRIVER_SHARE_BYTES
    return max(0, device.total_memory_bytes - _foreign_bytes(device) - reserve)
