"""What a rank finds in its environment: which devices it sees and how many threads it uses."""

from __future__ import annotations

import os
from collections.abc import Sequence

from trainer_core.accelerators.base import DeviceSnapshot

MOST_THREADS = 16
"""Threads of one rank beside a card: data and launches do not use more."""

CORES_VARIABLE = "MOAI_TUI_CORES"
"""Logical processors of a rank on a CPU share, comma-separated; the rank pins itself to them."""


def rank_environment(
    devices: Sequence[DeviceSnapshot], local_rank: int, threads: int | None = None
) -> dict[str, str]:
    """Return the variables to set for one rank of a run, over the supervisor's own.

    Every rank sees all cards of its run, in the order of ranks, so that cards reach each other
    directly: rank n uses visible card n. A MIG slice is alone in its process, as CUDA allows
    only one; there the rank uses visible card 0. On a CPU no card is visible.

    Args:
        devices: The run's devices on this host, in the order of its ranks.
        local_rank: Which of them this rank works on, from 0.
        threads: Threads asked for; None shares the permitted cores out.
    """
    own = devices[local_rank]
    variables = _visibility(devices, own)
    count = threads if threads is not None else _threads(devices, own)
    variables["OMP_NUM_THREADS"] = str(count)
    variables["MKL_NUM_THREADS"] = str(count)
    if own.cores:
        variables[CORES_VARIABLE] = ",".join(str(core) for core in own.cores)
    return variables


def _visibility(devices: Sequence[DeviceSnapshot], own: DeviceSnapshot) -> dict[str, str]:
    if own.kind == "nvidia":
        seen = [own] if own.uuid.startswith("MIG-") else list(devices)
        return {"CUDA_VISIBLE_DEVICES": _names(seen), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    if own.kind == "amd":
        return {
            "ROCR_VISIBLE_DEVICES": _names(devices),
            "HIP_VISIBLE_DEVICES": ",".join(str(number) for number in range(len(devices))),
        }
    if own.kind == "moai":
        return {"MOREH_VISIBLE_DEVICE": str(own.index)}
    return {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": ""}


def _names(devices: Sequence[DeviceSnapshot]) -> str:
    """Name devices by UUID where the runtime knows it, else by number."""
    named = ("GPU-", "MIG-")
    return ",".join(d.uuid if d.uuid.startswith(named) else str(d.index) for d in devices)


def _threads(devices: Sequence[DeviceSnapshot], own: DeviceSnapshot) -> int:
    if own.cores:
        return len(own.cores)
    permitted = len(os.sched_getaffinity(0))
    return max(1, min(MOST_THREADS, permitted // max(1, len(devices))))
