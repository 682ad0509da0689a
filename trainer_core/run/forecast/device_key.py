"""What a measurement of a device holds for: the device, its driver and the torch that measured."""

from __future__ import annotations

from importlib import metadata

import msgspec

from trainer_core.plan.types import Hardware


class DeviceKey(msgspec.Struct, frozen=True, kw_only=True):
    """Two measurements with one key are of the same thing."""

    device: str
    device_memory_gb: int
    split: int = 0
    """Devices that one processor is shared out to: each is another machine. 0 on cards."""
    driver: str | None = None
    torch: str | None = None


def key_of(hardware: Hardware) -> DeviceKey:
    """Return the key of a machine's devices as they are now."""
    try:
        torch = metadata.version("torch")
    except metadata.PackageNotFoundError:
        torch = None
    return DeviceKey(
        device=hardware.name,
        device_memory_gb=hardware.device_memory_gb,
        split=hardware.devices if hardware.kind == "cpu" else 0,
        driver=hardware.driver,
        torch=torch,
    )
