"""The host's processor as a device, whole or split into equal shares.

Memory and cores are what this process may use: cgroup limits, affinity and quota respected.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
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

    def read(self) -> tuple[DeviceSnapshot, ...]:
        """Read every share now."""
        import psutil

        cores = self._cores()
        total, used = self._memory(psutil.virtual_memory())
        busy = _busy_percents(psutil.cpu_times(percpu=True))
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
                    total_memory_bytes=total // self.parts,
                    memory_used_bytes=None if used is None else used // self.parts,
                    memory_utilization_percent=None,
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

    def _memory(self, host: object) -> tuple[int, int | None]:
        host_total = int(getattr(host, "total", 0))
        host_used = host_total - int(getattr(host, "available", 0))
        limit = cgroup.memory_limit_bytes(self.root)
        if limit is None or limit >= host_total:
            return host_total, max(0, host_used)
        used = cgroup.memory_used_bytes(self.root)
        return limit, used if used is None else min(used, limit)


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
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
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


_last_times: dict[int, tuple[float, float]] = {}
"""Busy and total seconds of each core at the last reading of this process."""


def _busy_percents(times: Sequence[object]) -> dict[int, float]:
    """Return the busy share of each core since the last reading, in percent."""
    percents: dict[int, float] = {}
    for core, now in enumerate(times):
        idle = float(getattr(now, "idle", 0.0)) + float(getattr(now, "iowait", 0.0))
        fields = ("user", "nice", "system", "irq", "softirq", "steal")
        busy = sum(float(getattr(now, field, 0.0)) for field in fields)
        before = _last_times.get(core)
        _last_times[core] = (busy, busy + idle)
        if before is not None and busy + idle > before[1]:
            share = (busy - before[0]) / (busy + idle - before[1])
            percents[core] = min(100.0, max(0.0, 100.0 * share))
    return percents
