"""The words for hardware: device, accelerator, size, and what a source of devices answers.

A *device* is one physical card (or the host's CPU), an *accelerator* the virtual device a
run is given, a *size* how many devices form it. Nothing here reads hardware.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

DeviceKind = Literal["cpu", "nvidia", "amd", "moai"]

SIZE_NAMES: dict[int, str] = {
    1: "Small",
    2: "Medium",
    4: "Large",
    8: "xLarge",
    12: "1.5xLarge",
    16: "2xLarge",
    24: "3xLarge",
    32: "4xLarge",
    48: "6xLarge",
    64: "8xLarge",
    96: "12xLarge",
    192: "24xLarge",
    384: "48xLarge",
}
"""The platform's names, by number of devices, in the order of its menu."""

GIB = 2**30


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceProcess:
    """One process that holds memory on a device; unknown fields are None."""

    pid: int
    memory_used_bytes: int | None = None
    command: str | None = None
    user: str | None = None
    started_at: float | None = None
    """Unix time in seconds."""
    run_id: str | None = None
    """Id of the moai-tui run it belongs to, None for a stranger."""
    job_id: str | None = None
    """The platform's number of the job, on a MoAI machine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceSnapshot:
    """Everything known of one device at one moment. None is unknown, never 0."""

    uuid: str
    """Stable name across reboots and orderings: `GPU-…`, `cpu-0`, a PCI address."""
    index: int
    """Number on this host, as the driver counts (NVIDIA: PCI order)."""
    kind: DeviceKind
    name: str
    """Marketing name, e.g. `NVIDIA H100 80GB HBM3`."""
    total_memory_bytes: int | None = None
    memory_used_bytes: int | None = None
    utilization_percent: float | None = None
    """0–100."""
    memory_utilization_percent: float | None = None
    temperature_celsius: float | None = None
    memory_temperature_celsius: float | None = None
    power_watts: float | None = None
    power_limit_watts: float | None = None
    clock_mhz: int | None = None
    memory_clock_mhz: int | None = None
    ecc_errors: int | None = None
    """Memory errors since the last start of the driver that could not be corrected."""
    throttle_reasons: tuple[str, ...] = ()
    """Why its clock is held down now, in a few words each; empty also where nobody tells."""
    processes: tuple[DeviceProcess, ...] = ()
    processes_hidden: bool = False
    """True where the driver counts processes whose numbers this container cannot see."""
    permitted: bool = True
    """False when CUDA_VISIBLE_DEVICES, a Slurm allocation or a setting excludes it."""
    held_by: str | None = None
    """Who holds the machine-wide lock: a run id, or None when the device is free."""
    held_by_user: str | None = None
    """Login name of the lock's holder."""
    held_by_pid: int | None = None
    """Process (the run's supervisor) that holds the lock."""
    held_since: float | None = None
    """Unix time at which the lock was taken."""
    held_until: float | None = None
    """Unix time at which the holder expects to be done, as it publishes it."""
    held_name: str | None = None
    """Name of the holder's run, where its owner lets others read it."""
    driver_version: str | None = None
    location: str | None = None
    """Where it sits, in the source's words: a PCI address, or node and slot like `back01:0`."""
    error: str | None = None
    """One sentence when the device is lost or refuses to answer."""
    model: str | None = None
    """The platform's model of a virtual device, e.g. `4xLarge.2048GB`; None on own hardware."""
    current: bool = False
    """Whether the platform stars it as its current device."""
    cores: tuple[int, ...] = ()
    """Logical processors of a CPU device, as the kernel numbers them; empty on cards."""
    topology: tuple[str, ...] = ()
    """Where it hangs, outermost first (NUMA node, PCI root, bridges): two devices are the
    nearer the longer their common beginning is."""

    @property
    def running(self) -> bool:
        """Whether a lock or a process holds it; memory in use alone is judged by `binding`."""
        return self.held_by is not None or bool(self.processes)


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """A named capacity: how many devices form an accelerator."""

    devices: int
    device_memory_gb: int
    """The vendor's round figure for one device, as it stands in the size's name."""

    @property
    def name(self) -> str:
        """The platform's word, e.g. `Small`."""
        return SIZE_NAMES[self.devices]

    @property
    def label(self) -> str:
        """Name and total memory, e.g. `xLarge.640GB`."""
        return f"{self.name}.{self.devices * self.device_memory_gb}GB"


@dataclass(frozen=True, kw_only=True, slots=True)
class Accelerator:
    """One row of the user's accelerator table: a size, not yet bound to devices."""

    index: int
    size: Size
    current: bool = False
    """The one a run gets unless it names another; shown as `*`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Framework:
    """Versions of the MoAI framework, as the platform's own table states them."""

    current: str | None = None
    latest: str | None = None


class DeviceSource(Protocol):
    """One way of seeing devices; each reads with its own library on first use."""

    kind: DeviceKind

    def read(self) -> tuple[DeviceSnapshot, ...]:
        """Read every device now; an absent driver is an empty tuple, never an exception."""
        ...

    def why_absent(self) -> str | None:
        """Say in one sentence why no device is seen; None when there are some."""
        ...
