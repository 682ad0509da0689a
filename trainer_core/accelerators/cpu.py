"""The host's processor as a device, whole or split into equal shares.

Memory and cores are what this process may use: cgroup limits, affinity and quota respected.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from trainer_core.accelerators import cgroup
from trainer_core.accelerators.base import DeviceKind, DeviceSnapshot
from trainer_core.errors import ConfigError

MOST_PARTS = 64


@dataclass(slots=True)
class CpuSource:
    """Reads the processor; utilization is known from the second reading on."""

    parts: int = 1
    """Shares that cores and memory are split into, each shown as one device."""
    root: Path = Path("/")
    """Where `proc` and `sys` stand; tests give a folder."""
    kind: DeviceKind = "cpu"
    _last_times: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Busy and all ticks of each core at the last reading."""

    def read(self) -> tuple[DeviceSnapshot, ...]:
        """Read every share now."""
        cores = self._cores()
        total, used = self._memory()
        busy = self._busy_percents()
        name = processor_name(self.root)
        devices = []
        for part in range(self.parts):
            own = _share(cores, part, self.parts)
            figures = [busy[core] for core in own if core in busy]
            devices.append(
                DeviceSnapshot(
                    uuid=f"cpu-{part}",
                    index=part,
                    kind="cpu",
                    name=name,
                    total_memory_bytes=None if total is None else total // self.parts,
                    memory_used_bytes=None if used is None else used // self.parts,
                    utilization_percent=sum(figures) / len(figures) if figures else None,
                    cores=own,
                )
            )
        return tuple(devices)

    def why_absent(self) -> str | None:
        """A processor is always there."""
        return None

    def _cores(self) -> tuple[int, ...]:
        permitted = sorted(os.sched_getaffinity(0))
        usable = cgroup.whole_processors(cgroup.processor_limit(self.root), len(permitted))
        return tuple(permitted[:usable])

    def _memory(self) -> tuple[int | None, int | None]:
        """Return bytes there are and bytes in use: the container's where it has a limit."""
        host = _meminfo(self.root)
        total, available = host.get("MemTotal"), host.get("MemAvailable")
        limit = cgroup.memory_limit_bytes(self.root)
        if limit is None or (total is not None and limit >= total):
            used = None if total is None or available is None else max(0, total - available)
            return total, used
        used = cgroup.memory_used_bytes(self.root)
        return limit, used if used is None else min(used, limit)

    def _busy_percents(self) -> dict[int, float]:
        """Return the busy share of each core since the last reading, in percent."""
        now = _core_times(self.root)
        percents = {}
        for core, (busy, total) in now.items():
            before = self._last_times.get(core)
            if before is not None and total > before[1]:
                share = (busy - before[0]) / (total - before[1])
                percents[core] = min(100.0, max(0.0, 100.0 * share))
        self._last_times = now
        return percents


def parse_parts(text: str) -> int:
    """Read the value of `MOAI_TUI_CPU_DEVICES`; empty is one.

    Raises:
        ConfigError: Not a whole number from 1 to 64.
    """
    if not text.strip():
        return 1
    number = int(text) if text.strip().isascii() and text.strip().isdigit() else 0
    if not 1 <= number <= MOST_PARTS:
        raise ConfigError(
            "MOAI_TUI_CPU_DEVICES", text, f"use a whole number from 1 to {MOST_PARTS}"
        )
    return number


def processor_name(root: Path = Path("/")) -> str:
    """Return the processor's marketing name, `CPU` where the kernel does not give one."""
    text = _read(root / "proc/cpuinfo")
    for wanted in ("model name", "Model", "Hardware", "cpu model"):
        for line in text.splitlines():
            key, colon, value = line.partition(":")
            if colon and key.strip() == wanted and value.strip():
                return " ".join(value.split())
    return "CPU"


def _share(cores: tuple[int, ...], part: int, parts: int) -> tuple[int, ...]:
    """Return one share of the cores; with fewer cores than shares they are used in turn."""
    if len(cores) < parts:
        return (cores[part % len(cores)],)
    first, last = part * len(cores) // parts, (part + 1) * len(cores) // parts
    return cores[first:last]


def _meminfo(root: Path) -> dict[str, int]:
    """Return the kernel's memory figures in bytes.

    Read here rather than through psutil, whose import is a fifth of what `smi` may cost.
    """
    figures = {}
    for line in _read(root / "proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isascii() and words[0].isdigit() and len(words[0]) < 16:
            figures[name] = int(words[0]) * 1024
    return figures


def _core_times(root: Path) -> dict[int, tuple[int, int]]:
    """Return busy and all clock ticks of each core since the machine started."""
    times = {}
    for line in _read(root / "proc/stat").splitlines():
        name, *words = line.split()
        number = name.removeprefix("cpu")
        if not name.startswith("cpu") or not number.isdigit() or len(words) < 4:
            continue
        ticks = [int(word) for word in words[:8] if word.isascii() and word.isdigit()]
        idle = sum(ticks[3:5])  # idle, and waiting for input or output
        times[int(number)] = (sum(ticks) - idle, sum(ticks))
    return times


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
