"""Which devices a run gets: idle ones first, then those nearest to each other.

Called by the supervisor just before it takes the locks, on a fresh reading, and by the form to
show what a run would get now.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

from trainer_core.accelerators.base import GIB, SIZE_NAMES, DeviceSnapshot
from trainer_core.accelerators.inventory import Inventory
from trainer_core.accelerators.sizes import most_allowed
from trainer_core.errors import ConfigError
from trainer_core.machine_settings import SAYS_WHO

LITTLE_MEMORY_BYTES = GIB
"""A card with a context-less driver shows up to 0.6 GiB in use; a display a little more."""

BUSY_PERCENT = 20.0
"""Utilization that counts as use where processes are hidden from this container."""

EXHAUSTIVE_LIMIT = 5_000
"""Most sets of devices weighed one by one: eight of sixteen cards are 12,870, four 1,820."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """The devices of a run, in the order of its ranks."""

    devices: tuple[DeviceSnapshot, ...]
    notes: tuple[str, ...] = ()
    """What the user should know, e.g. who else uses a device that was named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """Not enough devices are idle now."""

    reason: str
    """One sentence: how many are needed, for whom the run waits, and until when if known."""


def bind(inventory: Inventory, count: int, wanted: tuple[str, ...] = ()) -> Binding | Waiting:
    """Choose the devices of a run.

    Args:
        inventory: A fresh reading.
        count: Devices of the accelerator's size; ignored where `wanted` names devices.
        wanted: Devices named by the user: number, UUID or its unique beginning. They are given
            even when a process outside our runs uses them, never when another run holds them.

    Raises:
        ConfigError: A named device is unknown, not permitted, lost or named twice, their number
            is not the size's, or the machine can never have enough devices.
    """
    most = most_allowed()
    if most is not None and max(count, len(wanted)) > most:
        fix = f"choose at most {SIZE_NAMES[most]}"
        raise ConfigError("size", count, fix, f"a limit of {most} devices is {SAYS_WHO}")
    if wanted:
        return _bind_named(inventory.devices, count, wanted)
    usable = [device for device in inventory.devices if device.permitted and not device.error]
    if count > len(usable):
        raise _too_many(count, len(usable), inventory.notes)
    idle = [device for device in usable if why_busy(device) is None]
    if len(idle) < count:
        return Waiting(reason=_waiting_sentence(usable, len(idle), count))
    return Binding(devices=nearest(idle, count))


def expected_start(devices: Sequence[DeviceSnapshot], count: int) -> float | None:
    """Return when so many devices will be idle, by what their holders expect.

    Returns:
        Unix time in seconds; None where that is now or too few holders say when they end.
    """
    usable = [device for device in devices if device.permitted and not device.error]
    busy = [device for device in usable if why_busy(device) is not None]
    missing = count - (len(usable) - len(busy))
    known = sorted(device.held_until for device in busy if device.held_until is not None)
    return known[missing - 1] if 0 < missing <= len(known) else None


def start_in_words(moment: float | None) -> str:
    """Return `, expected at about 17:40`; nothing where the moment is unknown."""
    if moment is None:
        return ""
    far = moment - time.time() > 20 * 3600
    form = "%a %H:%M" if far else "%H:%M"
    return f", expected at about {time.strftime(form, time.localtime(moment))}"


def why_busy(device: DeviceSnapshot) -> str | None:
    """Say who or what uses the device, e.g. `run 20261124-… of bob`; None when it is idle.

    The host's CPU is shared by everything that runs, so only a lock makes it busy.
    """
    if device.held_by is not None:
        user = f" of {device.held_by_user}" if device.held_by_user else ""
        return f"run {device.held_by}{user}"
    if device.kind == "cpu":
        return None
    if device.processes:
        first, *others = device.processes
        more = f" and {len(others)} more" if others else ""
        return f"{first.user or 'a process'} (pid {first.pid}){more}"
    return "a process outside this container" if device.processes_hidden else _unnamed(device)


def _unnamed(device: DeviceSnapshot) -> str | None:
    """Judge by memory, and by utilization where memory is unknown; no process is to be seen."""
    if device.memory_used_bytes is None:
        busy = (device.utilization_percent or 0.0) >= BUSY_PERCENT
        return "something outside our runs" if busy else None
    if device.memory_used_bytes <= LITTLE_MEMORY_BYTES:
        return None
    return f"something that uses {device.memory_used_bytes / GIB:.1f} GiB of its memory"


def nearest(devices: Sequence[DeviceSnapshot], count: int) -> tuple[DeviceSnapshot, ...]:
    """Choose the idlest devices that are nearest to each other, ordered by number.

    Nearness of two devices is the length of their common `topology`; among equally near sets
    the one with less utilization, less memory in use, then lower numbers.
    """
    ranked = sorted(devices, key=_load)
    if count >= len(ranked):
        chosen: Sequence[DeviceSnapshot] = ranked
    elif comb(len(ranked), count) <= EXHAUSTIVE_LIMIT:
        chosen = max(combinations(ranked, count), key=_closeness)  # the first of equals
    else:
        grown = (_grow(ranked, seed, count) for seed in ranked)
        chosen = max(grown, key=_closeness)
    return tuple(sorted(chosen, key=lambda device: device.index))


def find_device(devices: Sequence[DeviceSnapshot], text: str) -> DeviceSnapshot:
    """Find a device by number, UUID, or a unique beginning of a UUID of four letters or more.

    Raises:
        ConfigError: None or several match.
    """
    lowered = text.strip().lower()
    tests: tuple[Callable[[DeviceSnapshot], bool], ...] = (
        lambda device: device.uuid.lower() == lowered,
        lambda device: str(device.index) == lowered,
        lambda device: len(lowered) >= 4 and device.uuid.lower().startswith(lowered),
    )
    for matches in tests:
        found = [device for device in devices if matches(device)]
        if len(found) == 1:
            return found[0]
        if found:
            raise ConfigError("devices", text, "name the device by its whole UUID")
    numbers = ", ".join(str(device.index) for device in devices) or "none"
    fix = f"use {numbers}, or a UUID of `moai-tui smi --json`"
    raise ConfigError("devices", text, fix, f"there is no device {text[:60]!r} here")


def _too_many(count: int, offered: int, notes: Sequence[str]) -> ConfigError:
    """Say that the machine can never give so many, and which bound is to blame."""
    need = f"{count} device{'s' if count > 1 else ''}"
    why = f" ({'; '.join(notes)})" if notes else ""
    problem = f"it takes {need} and this machine offers {offered or 'none'}{why}"
    fix = f"choose a size of at most {offered}" if offered else "see `moai-tui doctor`"
    return ConfigError("size", count, fix, problem)


def _bind_named(
    devices: Sequence[DeviceSnapshot], count: int, wanted: tuple[str, ...]
) -> Binding | Waiting:
    chosen = [find_device(devices, text) for text in wanted]
    text = ",".join(wanted)
    if len({device.uuid for device in chosen}) < len(chosen):
        raise ConfigError("devices", text, "name each device once")
    if count and len(chosen) != count:
        raise ConfigError(
            "devices", text, f"name {count}, or leave the size out", f"{len(chosen)} named"
        )
    for device in chosen:
        if device.error:
            raise ConfigError("devices", text, "leave it out", device.error)
        if not device.permitted:
            raise ConfigError(
                "devices", text, "choose a permitted one", f"device {device.index} is not permitted"
            )
    held = [device for device in chosen if device.held_by is not None]
    if held:
        soonest = expected_start(chosen, len(chosen))
        return Waiting(reason=f"waits for {_for_whom(held)}{start_in_words(soonest)}")
    shared = [device for device in chosen if why_busy(device)]
    notes = tuple(f"device {device.index} is also used by {why_busy(device)}" for device in shared)
    return Binding(devices=tuple(chosen), notes=notes)


def _waiting_sentence(usable: Sequence[DeviceSnapshot], idle: int, count: int) -> str:
    busy = [device for device in usable if why_busy(device)]
    need = f"{count} device{'s' if count > 1 else ''}, {idle} of {len(usable)} idle"
    soonest = expected_start(usable, count)
    return f"waits for {need}: {_for_whom(busy)}{start_in_words(soonest)}"


def _for_whom(busy: Sequence[DeviceSnapshot]) -> str:
    """Group devices by what uses them: `run … of bob on devices 0, 1`."""
    places: dict[str, list[str]] = {}
    for device in busy:
        places.setdefault(why_busy(device) or "", []).append(str(device.index))
    return "; ".join(
        f"{who} on device{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"
        for who, numbers in places.items()
    )


def _load(device: DeviceSnapshot) -> tuple[float, int, int]:
    return (
        round(device.utilization_percent or 0.0),
        (device.memory_used_bytes or 0) // (64 * 2**20),  # noise of a few MiB decides nothing
        device.index,
    )


def _closeness(devices: Sequence[DeviceSnapshot]) -> int:
    return sum(_common(a, b) for a, b in combinations(devices, 2))


def _common(a: DeviceSnapshot, b: DeviceSnapshot) -> int:
    length = 0
    for left, right in zip(a.topology, b.topology, strict=False):
        if left != right:
            break
        length += 1
    return length


def _grow(
    ranked: Sequence[DeviceSnapshot], seed: DeviceSnapshot, count: int
) -> list[DeviceSnapshot]:
    """Add to a first device the one nearest to all chosen so far, until there are enough."""
    chosen = [seed]
    rest = [device for device in ranked if device is not seed]
    while len(chosen) < count:
        best = max(rest, key=lambda device: sum(_common(device, other) for other in chosen))
        chosen.append(best)
        rest.remove(best)
    return chosen
