"""All devices of this machine at one moment: every source read, bounds and locks applied."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from trainer_core.accelerators.base import (
    DeviceProcess,
    DeviceSnapshot,
    DeviceSource,
    Framework,
)
from trainer_core.accelerators.bounds import apply_bounds
from trainer_core.accelerators.locks import Holder, read_holders
from trainer_core.accelerators.sizes import without_never_offered

SCRIPT_VARIABLE = "MOAI_TUI_SCRIPTED_DEVICES"
CPU_VARIABLE = "MOAI_TUI_CPU_DEVICES"
CARD_NODES = ("/dev/nvidiactl", "/dev/kfd")
"""Device files that are there when a driver for cards is loaded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """What a machine has, whom it belongs to now, and what the user should know about it."""

    devices: tuple[DeviceSnapshot, ...]
    notes: tuple[str, ...] = ()
    """Bounds and oddities, one sentence each."""
    absent: tuple[str, ...] = ()
    """For each kind that was not seen, why; for `doctor`."""
    framework: Framework | None = None
    """Versions of the MoAI framework, on a MoAI machine."""

    @property
    def permitted(self) -> tuple[DeviceSnapshot, ...]:
        """Devices a run may be given."""
        return tuple(device for device in self.devices if device.permitted and not device.error)


def read_devices(
    *,
    environ: Mapping[str, str] | None = None,
    scripted: Path | Sequence[DeviceSnapshot] | None = None,
    cards: bool = True,
) -> Inventory:
    """Read every device once.

    Args:
        environ: Where bounds and settings are looked up; None is this process's environment.
        scripted: Devices or a file of devices to show instead of the machine's own; None looks
            at `MOAI_TUI_SCRIPTED_DEVICES`.
        cards: False leaves the drivers alone, for a caller who knows that there is none.

    Raises:
        UserError: A scripted file or `MOAI_TUI_CPU_DEVICES` cannot be used. Hardware never
            raises: what a driver refuses is None, what is lost has its `error`.
    """
    environ = os.environ if environ is None else environ
    if scripted is None and environ.get(SCRIPT_VARIABLE):
        scripted = Path(environ[SCRIPT_VARIABLE])
    if scripted is not None:
        return _finish(_read_scripted(scripted), environ)
    if environ.get(CPU_VARIABLE):
        cpu = _cpu_source(environ[CPU_VARIABLE]).read()
        cards = any(Path(node).exists() for node in CARD_NODES)
        note = f"{CPU_VARIABLE} is set: the processor is used, cards are left out"
        return _finish(Inventory(devices=cpu, notes=(note,) if cards else ()), environ)
    if not cards:
        return _finish(Inventory(devices=_cpu_source("").read()), environ)
    return _finish(_read_hardware(), environ)


def _read_hardware() -> Inventory:
    cards: list[DeviceSnapshot] = []
    absent: list[str] = []
    moai, others = _card_sources()
    for source in (moai, *others):
        devices = source.read()
        offset = len(cards)
        cards += [replace(device, index=device.index + offset) for device in devices]
        reason = source.why_absent()
        if reason:
            absent.append(reason)
        if devices and source is moai:
            break  # a MoAI machine shows its accelerators; nothing physical is the user's
    framework = getattr(moai, "framework", None)
    devices = tuple(cards) if cards else _cpu_source("").read()
    return Inventory(devices=devices, absent=tuple(absent), framework=framework)


@cache
def _card_sources() -> tuple[DeviceSource, tuple[DeviceSource, ...]]:
    """One source a kind for the life of the process: they keep handles and last readings."""
    from trainer_core.accelerators.amd import AmdSource
    from trainer_core.accelerators.moai import MoaiSource
    from trainer_core.accelerators.nvidia import NvidiaSource

    return MoaiSource(), (NvidiaSource(), AmdSource())


@cache
def _cpu_source(parts: str) -> DeviceSource:
    from trainer_core.accelerators.cpu import CpuSource, parse_parts

    return CpuSource(parts=parse_parts(parts))


def _read_scripted(scripted: Path | Sequence[DeviceSnapshot]) -> Inventory:
    if not isinstance(scripted, Path):
        return Inventory(devices=tuple(scripted))
    from trainer_core.accelerators.scripted import ScriptedSource

    source = ScriptedSource(scripted)
    return Inventory(devices=source.read(), framework=source.framework)


def _finish(inventory: Inventory, environ: Mapping[str, str]) -> Inventory:
    """Apply the bounds of the environment and say who holds what."""
    devices, notes = apply_bounds(inventory.devices, environ)
    devices, settled = without_never_offered(devices)
    notes += settled
    holders = read_holders(device.uuid for device in devices)
    if holders:
        devices = tuple(_held(device, holders.get(device.uuid)) for device in devices)
        devices = _with_ranks(devices)
    return replace(inventory, devices=devices, notes=(*inventory.notes, *notes))


def _held(device: DeviceSnapshot, holder: Holder | None) -> DeviceSnapshot:
    if holder is None:
        return device
    processes = device.processes
    if holder.pid is not None and processes:
        from trainer_core.accelerators.processes import descendants

        family = descendants(holder.pid)
        processes = tuple(
            replace(process, run_id=holder.run_id) if process.pid in family else process
            for process in processes
        )
    return replace(
        device,
        held_by=holder.run_id,
        held_by_user=holder.user,
        held_by_pid=holder.pid,
        held_since=holder.since,
        held_until=holder.until,
        held_name=holder.name,
        processes=processes,
    )


def _with_ranks(devices: tuple[DeviceSnapshot, ...]) -> tuple[DeviceSnapshot, ...]:
    """Give a held device without a process its rank: the supervisor's n-th child is the n-th's.

    On a CPU no driver lists processes; in a container the driver's numbers are the host's. The
    rank's resident memory is a CPU device's memory, and says nothing of a card's.
    """
    held: dict[int, list[DeviceSnapshot]] = {}
    for device in devices:
        if device.held_by_pid is not None and not device.processes:
            held.setdefault(device.held_by_pid, []).append(device)
    if not held:
        return devices
    from trainer_core.accelerators.processes import children

    ranks: dict[str, DeviceProcess] = {}
    for pid, waiting in held.items():
        for device, child in zip(waiting, children(pid), strict=False):
            memory = child.memory_used_bytes if device.kind == "cpu" else None
            ranks[device.uuid] = replace(child, run_id=device.held_by, memory_used_bytes=memory)
    return tuple(
        replace(device, processes=(ranks[device.uuid],)) if device.uuid in ranks else device
        for device in devices
    )
