"""AMD cards through the kernel driver's files (sysfs), with `amd-smi` for what they lack.

Not yet seen on real cards: written against the documented files of amdgpu and tested on
recorded trees. Every field is optional.
Source: https://docs.kernel.org/gpu/amdgpu/thermal.html and driver-misc.html
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from trainer_core.accelerators import amd_smi, processes
from trainer_core.accelerators.amd_metrics import throttle_reasons
from trainer_core.accelerators.base import GIB, DeviceKind, DeviceProcess, DeviceSnapshot
from trainer_core.accelerators.pci import topology
from trainer_core.accelerators.plausible import within

VENDOR = "0x1002"
LEAST_MEMORY_BYTES = 2 * GIB
"""Processors with built-in graphics set aside less; they are no accelerators."""

MOST_MEMORY_BYTES = 2**50

NAMES = {
    "0x738c": "AMD Instinct MI100",
    "0x7408": "AMD Instinct MI250X",
    "0x740c": "AMD Instinct MI250X/MI250",
    "0x740f": "AMD Instinct MI210",
    "0x74a0": "AMD Instinct MI300A",
    "0x74a1": "AMD Instinct MI300X",
    "0x74a5": "AMD Instinct MI325X",
}
"""Source: https://pci-ids.ucw.cz/read/PC/1002"""


@dataclass(slots=True)
class AmdSource:
    """Reads every amdgpu card in PCI order; one half of an MI250 is one device."""

    sys_root: Path = Path("/sys")
    """Where sysfs is mounted; tests give a folder."""
    tool: amd_smi.AmdSmi = field(default_factory=amd_smi.AmdSmi)
    kind: DeviceKind = "amd"
    _problem: str | None = None

    def read(self) -> tuple[DeviceSnapshot, ...]:
        """Read every card now."""
        cards = self._cards()
        small = [card for card in cards if (_memory_bytes(card) or 0) < LEAST_MEMORY_BYTES]
        cards = [card for card in cards if card not in small]
        if not cards:
            devices = self.tool.devices() if not small else ()
            self._problem = None if devices else self._why(bool(small))
            return devices
        self._problem = None
        driver = _read(self.sys_root / "module/amdgpu/version")
        held = self._processes()
        devices = tuple(
            self._snapshot(index, card, driver, held.get(_address(card), ()))
            for index, card in enumerate(cards)
        )
        return self._named(devices)

    def why_absent(self) -> str | None:
        """Say why there is no AMD card."""
        return self._problem

    def _why(self, only_graphics: bool) -> str:
        if only_graphics:
            return "AMD: only built-in graphics, which is no accelerator"
        if (self.sys_root / "module/amdgpu").is_dir():
            return "AMD: the driver is loaded and shows no card here"
        return "AMD: no driver (amdgpu is not loaded)"

    def _cards(self) -> list[Path]:
        found = {
            card.resolve(): _address(card)
            for card in self.sys_root.glob("class/drm/card*/device")
            if _read(card / "vendor") == VENDOR and (card / "mem_info_vram_total").exists()
        }
        return sorted(found, key=lambda card: found[card])

    def _snapshot(
        self, index: int, card: Path, driver: str | None, running: tuple[DeviceProcess, ...]
    ) -> DeviceSnapshot:
        address = _address(card)
        total = _memory_bytes(card)
        used = within(_number(card / "mem_info_vram_used"), 0, total or MOST_MEMORY_BYTES)
        sensors = next(iter(sorted(card.glob("hwmon/hwmon*"))), card / "hwmon")
        temperatures = _temperatures(sensors)
        power = _first(sensors, "power1_average", "power1_input")
        unique = _read(card / "unique_id")
        return DeviceSnapshot(
            uuid=f"GPU-{unique}" if unique and unique.strip("0x") else address,
            index=index,
            kind="amd",
            name=_read(card / "product_name") or NAMES.get(_read(card / "device") or "", ""),
            total_memory_bytes=total,
            memory_used_bytes=None if used is None else int(used),
            utilization_percent=within(_number(card / "gpu_busy_percent"), 0, 100),
            memory_utilization_percent=within(_number(card / "mem_busy_percent"), 0, 100),
            temperature_celsius=temperatures.get("edge", temperatures.get("junction")),
            memory_temperature_celsius=temperatures.get("mem"),
            power_watts=within(None if power is None else power / 1e6, 0, 10_000),
            power_limit_watts=_watts(sensors / "power1_cap"),
            clock_mhz=_megahertz(sensors / "freq1_input"),
            memory_clock_mhz=_megahertz(sensors / "freq2_input"),
            ecc_errors=_ecc_errors(card),
            throttle_reasons=throttle_reasons(_bytes(card / "gpu_metrics")),
            processes=running,
            driver_version=driver,
            location=address,
            topology=topology(address, self.sys_root),
        )

    def _named(self, devices: tuple[DeviceSnapshot, ...]) -> tuple[DeviceSnapshot, ...]:
        """Ask `amd-smi` once for the names that neither the kernel nor our table knows."""
        if all(device.name for device in devices):
            return devices
        names = self.tool.names()
        return tuple(
            replace(device, name=device.name or names.get(device.location or "", "AMD card"))
            for device in devices
        )

    def _processes(self) -> dict[str, tuple[DeviceProcess, ...]]:
        """Return processes with compute queues by the PCI address of their card."""
        addresses = self._compute_addresses()
        found: dict[str, list[DeviceProcess]] = {}
        for folder in self.sys_root.glob("class/kfd/kfd/proc/[0-9]*"):
            for figure in folder.glob("vram_*"):
                memory = within(_number(figure), 1, MOST_MEMORY_BYTES)
                address = addresses.get(figure.name.removeprefix("vram_"))
                if memory is None or address is None or not folder.name.isdigit():
                    continue
                described = processes.describe(int(folder.name), int(memory))
                if described is not None:
                    found.setdefault(address, []).append(described)
        return {address: tuple(items) for address, items in found.items()}

    def _compute_addresses(self) -> dict[str, str]:
        """Return the PCI address of each card by the compute driver's own number for it."""
        addresses: dict[str, str] = {}
        for node in self.sys_root.glob("class/kfd/kfd/topology/nodes/*"):
            number = _read(node / "gpu_id")
            properties = dict(
                line.split(None, 1)
                for line in (_read(node / "properties") or "").splitlines()
                if len(line.split(None, 1)) == 2
            )
            place = _digits(properties.get("location_id", ""))
            domain = _digits(properties.get("domain", "0")) or 0
            if number and number != "0" and place is not None:
                bus, slot = place >> 8 & 0xFF, place & 0xFF
                addresses[number] = f"{domain:04x}:{bus:02x}:{slot >> 3:02x}.{slot & 7}"
        return addresses


def _address(card: Path) -> str:
    """Return the PCI address: the name of the folder the link leads to, or of the event file."""
    for line in (_read(card / "uevent") or "").splitlines():
        key, _, value = line.partition("=")
        if key == "PCI_SLOT_NAME" and value:
            return value.lower()
    return card.resolve().name


def _memory_bytes(card: Path) -> int | None:
    total = within(_number(card / "mem_info_vram_total"), 1, MOST_MEMORY_BYTES)
    return None if total is None else int(total)


def _temperatures(sensors: Path) -> dict[str, float]:
    """Return degrees by the driver's label: `edge`, `junction`, `mem`."""
    found: dict[str, float] = {}
    for label in sensors.glob("temp*_label"):
        value = _number(label.with_name(label.name.replace("_label", "_input")))
        degrees = within(None if value is None else value / 1000, -50, 200)
        if degrees is not None:
            found[_read(label) or label.name] = degrees
    return found


def _megahertz(path: Path) -> int | None:
    clock = within(_number(path), 0, 20e9)
    return None if clock is None else int(clock / 1e6)


def _ecc_errors(card: Path) -> int | None:
    """Add up the uncorrectable errors (`ue: N`) that each block of the card counts."""
    counted = [
        _digits(line.partition(":")[2].strip())
        for path in sorted(card.glob("ras/*_err_count"))
        for line in (_read(path) or "").splitlines()
        if line.startswith("ue:")
    ]
    known = [count for count in counted if count is not None and 0 <= count < 2**53]
    return sum(known) if known and len(known) == len(counted) else None


def _watts(path: Path) -> float | None:
    value = _number(path)
    return within(None if value is None else value / 1e6, 0.001, 10_000)


def _first(folder: Path, *names: str) -> int | None:
    return next((n for name in names if (n := _number(folder / name)) is not None), None)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None  # the driver answers some files with EBUSY or EINVAL


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _number(path: Path) -> int | None:
    return _digits(_read(path) or "")


def _digits(text: str) -> int | None:
    plain = text.removeprefix("-")
    return int(text) if plain.isascii() and plain.isdigit() and len(plain) < 20 else None
