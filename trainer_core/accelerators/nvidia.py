"""NVIDIA cards through the driver's own library (nvidia-ml-py), imported at the first reading.

Whatever the driver refuses is None; a card that has fallen off the bus keeps its row with a
sentence. Cards split by MIG show their slices in place of themselves.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer_core.accelerators import processes
from trainer_core.accelerators.base import DeviceKind, DeviceProcess, DeviceSnapshot
from trainer_core.accelerators.pci import topology
from trainer_core.accelerators.plausible import within

DRIVER_LIBRARY = "libnvidia-ml.so.1"
TEMPERATURE_GPU = 0
CLOCK_SM = 1
CLOCK_MEMORY = 2
UNCORRECTED, SINCE_DRIVER_START = 1, 0
MOST_MEMORY_BYTES = 2**50


THROTTLE_REASONS = {
    0x04: "power limit",
    0x08: "hardware slowdown",
    0x20: "hot",
    0x40: "too hot",
    0x80: "power brake",
}
"""Bits that mean it could go faster; idle, sync boost and clocks set by the admin are no news.
Source: https://docs.nvidia.com/deploy/nvml-api/group__nvmlClocksEventReasons.html"""


@dataclass(frozen=True, slots=True)
class DriverFacts:
    """Versions the driver states of itself."""

    driver_version: str | None
    cuda_version: str | None
    """Newest CUDA the driver runs, e.g. `12.4`."""


@dataclass(slots=True)
class NvidiaSource:
    """Reads every NVIDIA card in the driver's (PCI) order."""

    nvml: Any = None
    """The `pynvml` module; None imports it where the driver's library is there."""
    sys_root: Path = Path("/sys")
    kind: DeviceKind = "nvidia"
    _started: bool = False
    _problem: str | None = None
    _uuids: dict[int, str] = field(default_factory=dict)
    """Last known UUID by position: a lost card does not tell it any more."""

    def read(self) -> tuple[DeviceSnapshot, ...]:
        """Read every card and slice now."""
        if not self._start():
            return ()
        try:
            count = int(self.nvml.nvmlDeviceGetCount())
        except self.nvml.NVMLError as error:
            self._problem, self._started = f"NVIDIA: {_words(error)}", False
            return ()
        self._problem = None if count else "NVIDIA: the driver is loaded and sees no card"
        driver = self.driver_facts().driver_version
        devices: list[DeviceSnapshot] = []
        for position in range(count):
            for reader in self._readers(position):
                devices.append(reader.snapshot(len(devices), driver))
                self._uuids[position] = reader.parent_uuid or self._uuids.get(position, "")
        return tuple(devices)

    def why_absent(self) -> str | None:
        """Say why there is no NVIDIA card."""
        return self._problem

    def driver_facts(self) -> DriverFacts:
        """Return the driver's versions; unknown before a successful start."""
        if not self._start():
            return DriverFacts(None, None)
        driver = _ask(self.nvml, "nvmlSystemGetDriverVersion")
        cuda = _ask(self.nvml, "nvmlSystemGetCudaDriverVersion")
        version = f"{cuda // 1000}.{cuda % 1000 // 10}" if isinstance(cuda, int) else None
        return DriverFacts(_text(driver), version)

    def _start(self) -> bool:
        if self._started:
            return True
        if self.nvml is None:
            self._problem = _missing_library()
            if self._problem:
                return False
            import pynvml

            self.nvml = pynvml
        try:
            self.nvml.nvmlInit()
        except self.nvml.NVMLError as error:
            self._problem = f"NVIDIA: {_words(error)}"
            return False
        self._started = True
        return True

    def _readers(self, position: int) -> Iterator[_Reader]:
        known = self._uuids.get(position)
        try:
            handle = self.nvml.nvmlDeviceGetHandleByIndex(position)
        except self.nvml.NVMLError as error:
            yield _Reader(self, None, None, position, None, known, _lost(position, error))
            return
        slices = list(_slices(self.nvml, handle))
        if not slices:
            yield _Reader(self, handle, handle, position, None, known, None)
        for number, piece in slices:
            yield _Reader(self, piece, handle, position, number, known, None)


@dataclass(slots=True)
class _Reader:
    """One card or MIG slice; `handle` is what is read, `parent` the card it belongs to."""

    source: NvidiaSource
    handle: Any
    parent: Any
    position: int
    slice_number: int | None
    known_uuid: str | None
    error: str | None

    def ask(self, name: str, *arguments: Any, of: Any = None) -> Any:
        """Call a getter; None where the driver refuses. A lost card is remembered."""
        library = self.source.nvml
        try:
            return getattr(library, name)(self.handle if of is None else of, *arguments)
        except library.NVMLError as error:
            lost = getattr(library, "NVML_ERROR_GPU_IS_LOST", 15)
            if getattr(error, "value", None) == lost:
                self.error = _lost(self.position, error)
        except (AttributeError, TypeError, ValueError):
            return None  # an older driver or binding does not know the getter
        return None

    @property
    def parent_uuid(self) -> str | None:
        """UUID of the card, also while a slice of it is read."""
        return None if self.parent is None else _text(self.ask("nvmlDeviceGetUUID", of=self.parent))

    def snapshot(self, index: int, driver: str | None) -> DeviceSnapshot:
        """Read everything there is."""
        if self.handle is None:
            uuid = self.known_uuid or f"nvidia-{self.position}"
            return DeviceSnapshot(
                uuid=uuid,
                index=index,
                kind="nvidia",
                name="NVIDIA card",
                driver_version=driver,
                error=self.error,
            )
        memory = self.ask("nvmlDeviceGetMemoryInfo")
        rates = self.ask("nvmlDeviceGetUtilizationRates")
        running, hidden = self._processes()
        power = self.ask("nvmlDeviceGetPowerUsage")
        limit = self.ask("nvmlDeviceGetEnforcedPowerLimit")
        temperature = self.ask("nvmlDeviceGetTemperature", TEMPERATURE_GPU, of=self.parent)
        errors = within(self._ecc_errors(), 0, 2**53)
        address = self._address()
        total = within(getattr(memory, "total", None), 1, MOST_MEMORY_BYTES)
        used = within(getattr(memory, "used", None), 0, total or MOST_MEMORY_BYTES)
        piece = "" if self.slice_number is None else f":mig{self.slice_number}"
        return DeviceSnapshot(
            uuid=_text(self.ask("nvmlDeviceGetUUID")) or f"nvidia-{self.position}{piece}",
            index=index,
            kind="nvidia",
            name=_text(self.ask("nvmlDeviceGetName")) or "NVIDIA card",
            total_memory_bytes=None if total is None else int(total),
            memory_used_bytes=None if used is None else int(used),
            utilization_percent=within(getattr(rates, "gpu", None), 0, 100),
            memory_utilization_percent=within(getattr(rates, "memory", None), 0, 100),
            temperature_celsius=within(temperature, -50, 200),
            memory_temperature_celsius=self._memory_temperature(),
            power_watts=within(_thousandth(power), 0, 10_000),
            power_limit_watts=within(_thousandth(limit), 0.001, 10_000),
            clock_mhz=self._clock(CLOCK_SM),
            memory_clock_mhz=self._clock(CLOCK_MEMORY),
            ecc_errors=None if errors is None else int(errors),
            throttle_reasons=self._throttle_reasons(),
            processes=running,
            processes_hidden=hidden,
            driver_version=driver,
            location=f"{address or f'card{self.position}'}{piece}",
            topology=topology(address, self.source.sys_root) if address else (),
            error=self.error,
        )

    def _address(self) -> str | None:
        """Return the PCI address as the kernel writes it, `0000:3b:00.0`."""
        information = self.ask("nvmlDeviceGetPciInfo", of=self.parent)
        text = (_text(getattr(information, "busId", None)) or "").lower()
        domain, colon, rest = text.partition(":")
        return f"{domain[-4:]}:{rest}" if colon and rest else None

    def _clock(self, kind: int) -> int | None:
        clock = within(self.ask("nvmlDeviceGetClockInfo", kind), 0, 20_000)
        return None if clock is None else int(clock)

    def _ecc_errors(self) -> Any:
        getter = "nvmlDeviceGetTotalEccErrors"
        return self.ask(getter, UNCORRECTED, SINCE_DRIVER_START, of=self.parent)

    def _throttle_reasons(self) -> tuple[str, ...]:
        """Newer drivers call them event reasons, older ones throttle reasons."""
        for name in ("ClocksEventReasons", "ClocksThrottleReasons"):
            bits = self.ask(f"nvmlDeviceGetCurrent{name}", of=self.parent)
            if isinstance(bits, int) and 0 <= bits < 2**32:
                return tuple(word for bit, word in THROTTLE_REASONS.items() if bits & bit)
        return ()

    def _memory_temperature(self) -> float | None:
        """Cards with stacked memory report its temperature as a field value."""
        field_id = getattr(self.source.nvml, "NVML_FI_DEV_MEMORY_TEMP", 82)
        values = self.ask("nvmlDeviceGetFieldValues", [field_id], of=self.parent)
        try:
            first = values[0]
            value = first.value.uiVal if first.nvmlReturn == 0 else None
        except (TypeError, IndexError, AttributeError):
            return None
        return within(value, 1, 200)  # 0 is what cards without the sensor say

    def _processes(self) -> tuple[tuple[DeviceProcess, ...], bool]:
        """Return processes with a compute context, and whether some cannot be seen from here."""
        entries = self.ask("nvmlDeviceGetComputeRunningProcesses") or ()
        seen: list[DeviceProcess] = []
        hidden = False
        for entry in entries:
            memory = within(getattr(entry, "usedGpuMemory", None), 0, MOST_MEMORY_BYTES)
            described = processes.describe(
                int(getattr(entry, "pid", -1)), None if memory is None else int(memory)
            )
            if described is None:
                hidden = True
            elif described.pid not in {process.pid for process in seen}:
                seen.append(described)
        return tuple(seen), hidden


def _slices(library: Any, handle: Any) -> Iterator[tuple[int, Any]]:
    """Yield number and handle of each MIG slice; nothing where MIG is off or unknown."""
    mode = _ask(library, "nvmlDeviceGetMigMode", handle)
    if not isinstance(mode, list | tuple) or not mode or mode[0] != 1:
        return
    for number in range(_ask(library, "nvmlDeviceGetMaxMigDeviceCount", handle) or 0):
        piece = _ask(library, "nvmlDeviceGetMigDeviceHandleByIndex", handle, number)
        if piece is not None:
            yield number, piece


def _ask(library: Any, name: str, *arguments: Any) -> Any:
    try:
        return getattr(library, name)(*arguments)
    except (library.NVMLError, AttributeError, TypeError, ValueError):
        return None


def _missing_library() -> str | None:
    """Say that the driver is not there, before 37 ms go into importing its binding."""
    try:
        ctypes.CDLL(DRIVER_LIBRARY)
    except OSError:
        if os.path.exists("/dev/nvidiactl"):
            return f"NVIDIA: a card is there, its driver library {DRIVER_LIBRARY} is not"
        return f"NVIDIA: no driver ({DRIVER_LIBRARY} not found)"
    return None


def _lost(position: int, error: Exception) -> str:
    return f"GPU {position} lost: {_words(error)}"


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value.strip("\0 ") or None if isinstance(value, str) else None


def _thousandth(value: object) -> float | None:
    return value / 1000 if isinstance(value, int | float) else None
