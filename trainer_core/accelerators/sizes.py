"""Sizes of this machine: their round memory figure, their names, which can be formed.

Arithmetic on snapshots and this machine's settings; nothing here reads hardware.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from trainer_core.accelerators.base import GIB, SIZE_NAMES, DeviceSnapshot, Size
from trainer_core.errors import ConfigError
from trainer_core.machine_settings import SAYS_WHO, machine_settings

VENDOR_GB = (
    *(4, 5, 6, 8, 10, 11, 12, 16, 20, 24, 32, 40, 48, 64, 80, 94, 96),
    *(128, 141, 144, 180, 192, 256, 288),
)
"""Memory sizes cards are sold with."""

SMALLEST_SHARE = 0.92
"""Drivers report at least this share of the sold figure (L40S: 44.99 GiB of 48 GB)."""

DEVICES_BY_NAME = {name.lower(): devices for devices, name in SIZE_NAMES.items()}


def round_memory_gb(device: DeviceSnapshot) -> int | None:
    """Return the vendor's round figure for one device in GB; None where memory is unknown."""
    if device.kind == "moai":
        label = parse_label(device.model or "")
        return label.device_memory_gb if label else None
    named = re.findall(r"(?<!\d)(\d{1,4}) ?GB\b", device.name, re.IGNORECASE | re.ASCII)
    if device.kind != "cpu" and named and int(named[-1]) > 0:
        return int(named[-1])  # a slice's own figure stands after its card's: `… MIG 1g.10gb`
    if not device.total_memory_bytes or device.total_memory_bytes < 0:
        return None
    gib = device.total_memory_bytes / GIB
    if device.kind == "cpu":
        return max(1, round(gib))
    for sold in VENDOR_GB:
        if SMALLEST_SHARE * sold <= gib <= sold * 1.005:
            return sold
    return max(1, round(gib))


def device_memory_gb(devices: Sequence[DeviceSnapshot]) -> int:
    """Return the GB one device counts in a size's name: the commonest figure of the permitted.

    Among equally common figures the smaller one, so no name promises more than there is;
    1 where nothing is known.
    """
    permitted = [device for device in devices if device.permitted and not device.error]
    figures = Counter(gb for device in permitted or devices if (gb := round_memory_gb(device)))
    if not figures:
        return 1
    return min(figures, key=lambda gb: (-figures[gb], gb))


def sizes_for(memory_gb: int) -> tuple[Size, ...]:
    """Return the 13 sizes in the order of the platform's menu.

    Args:
        memory_gb: Round memory figure of one device.
    """
    return tuple(Size(devices=devices, device_memory_gb=memory_gb) for devices in SIZE_NAMES)


def parse_label(text: str) -> Size | None:
    """Read a full label such as `4xLarge.2048GB`; None where it is not one."""
    match = re.fullmatch(r"([\w.]+?)\.(\d{1,7})GB", text.strip(), re.IGNORECASE | re.ASCII)
    devices = DEVICES_BY_NAME.get(match[1].lower()) if match else None
    if match is None or devices is None or int(match[2]) < devices:
        return None
    return Size(devices=devices, device_memory_gb=int(match[2]) // devices)


def parse_size(text: str, memory_gb: int) -> Size:
    """Read a size as the user writes it: `Small`, `xlarge`, `xLarge.640GB`.

    Args:
        text: Name with or without the memory, in any case.
        memory_gb: Round memory figure of one device of the machine meant.

    Raises:
        ConfigError: Unknown name, or a memory figure this machine's size does not have.
    """
    name = re.sub(r"\.\d+GB$", "", text.strip(), flags=re.IGNORECASE | re.ASCII)
    devices = DEVICES_BY_NAME.get(name.lower())
    if devices is None:
        raise ConfigError("size", text, f"use one of {', '.join(SIZE_NAMES.values())}")
    size = Size(devices=devices, device_memory_gb=memory_gb)
    if name != text.strip() and text.strip().lower() != size.label.lower():
        raise ConfigError("size", text, f"here this size is called {size.label}")
    return size


def size_from_text(text: str, devices: Sequence[DeviceSnapshot]) -> Size:
    """Read a size for this machine; see `parse_size` for forms and errors."""
    return parse_size(text, device_memory_gb(devices))


def formable_devices(devices: Sequence[DeviceSnapshot]) -> int:
    """Return how many devices a run could be given when all were idle."""
    return sum(device.permitted and device.error is None for device in devices)


def most_allowed() -> int | None:
    """Return the most devices this user may take at once; None without a limit.

    A limit that is no size sets none; `without_never_offered` says so.
    """
    name = machine_settings().largest_size
    return None if name is None else DEVICES_BY_NAME.get(name.partition(".")[0].lower())


def without_never_offered(
    devices: Sequence[DeviceSnapshot],
) -> tuple[tuple[DeviceSnapshot, ...], tuple[str, ...]]:
    """Mark devices that this machine's settings offer to nobody as not permitted.

    Returns:
        The devices, and one sentence for what the settings say and for what of them cannot be
        used.
    """
    settings = machine_settings()
    notes = list(settings.notes)
    if settings.largest_size is not None and most_allowed() is None:
        notes.append(f"The largest size {settings.largest_size}, {SAYS_WHO}, is no size")
    barred = [device for device in devices if _is_named(device, settings.never)]
    if barred:
        numbers = ", ".join(str(device.index) for device in barred)
        plural = "s" if len(barred) > 1 else ""
        notes.append(f"Device{plural} {numbers} not offered, {SAYS_WHO}")
    kept = tuple(
        replace(device, permitted=False) if device in barred else device for device in devices
    )
    return kept, tuple(notes)


def _is_named(device: DeviceSnapshot, names: Sequence[str]) -> bool:
    return any(
        name == str(device.index)
        or (len(name) >= 4 and device.uuid.lower().startswith(name.lower()))
        for name in names
    )


def why_not(size: Size, devices: Sequence[DeviceSnapshot]) -> str | None:
    """Say why this machine cannot form the size, as words that follow "cannot be formed:".

    None where it can. On a MoAI machine the platform forms every size its limits allow.
    """
    most = most_allowed()
    if most is not None and size.devices > most:
        return f"is larger than {SIZE_NAMES[most]}, {SAYS_WHO}"
    if any(device.kind == "moai" for device in devices):
        return None
    usable = formable_devices(devices)
    if size.devices <= usable:
        return None
    shut_out = len(devices) - usable
    there = "no device" if not usable else f"{usable} device{'s' if usable > 1 else ''}"
    left_out = f" ({shut_out} more not permitted or lost)" if shut_out else ""
    needed = f"{size.devices} device{'s' if size.devices > 1 else ''}"
    return f"needs {needed}, this machine has {there}{left_out}"
