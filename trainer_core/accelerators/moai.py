"""A MoAI machine's accelerators, read from the table its own tool prints.

`moreh-smi` (and its successor `ap-smi`) is called without any argument: other vendors' tools of
the same name take arguments that reset hardware. The table is read by the words of its header,
never by columns of characters; every published form is known, and no text makes it raise.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from trainer_core.accelerators.base import (
    DeviceKind,
    DeviceProcess,
    DeviceSnapshot,
    Framework,
)
from trainer_core.accelerators.plausible import within
from trainer_core.accelerators.tool import output_of
from trainer_core.foreign_text import show_line

TOOLS = ("moreh-smi", "ap-smi")
TIMEOUT_SECONDS = 20.0
MIB = 2**20
MOST_MEMORY_MIB = 2**30
LONGEST_CELL = 400

COLUMNS = {
    "device": "device",
    "#": "device",
    "name": "name",
    "model": "model",
    "flavor": "model",
    "memory usage": "used",
    "total memory": "total",
    "utilization": "utilization",
    "gpu util(%)": "utilization",
    "mem usage(%)": "memory_percent",
    "job id": "job",
    "pid": "pid",
    "process": "command",
}
"""Our word for each header ever published. `Token` is left out on purpose: it is a secret."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformTable:
    """What one call of the tool said."""

    devices: tuple[DeviceSnapshot, ...] = ()
    framework: Framework = field(default_factory=Framework)


@dataclass(slots=True)
class MoaiSource:
    """Reads the platform's accelerators: each is one virtual device to us."""

    run: Callable[[str], str | None] | None = None
    """Runs a tool without arguments and returns its output, None where it is absent."""
    tenstorrent: Path = Path("/dev/tenstorrent")
    """Where this exists, `moreh-smi` is another vendor's tool and is not called."""
    kind: DeviceKind = "moai"
    framework: Framework | None = None
    """Versions from the last reading."""
    _problem: str | None = None

    def read(self) -> tuple[DeviceSnapshot, ...]:
        """Call the tool now."""
        self.framework, self._problem = None, None
        if self.tenstorrent.exists():
            self._problem = "MoAI: this is a Tenstorrent machine, its moreh-smi is not called"
            return ()
        for tool in TOOLS:
            text = (self.run or _ask)(tool)
            if text is None:
                continue
            table = parse_table(text)
            if table.devices:
                self.framework = table.framework
                return table.devices
            self._problem = f"MoAI: {tool} printed no table of accelerators"
        if self._problem is None:
            self._problem = "MoAI: no platform here (moreh-smi not found)"
        return ()

    def why_absent(self) -> str | None:
        """Say why there is no MoAI accelerator."""
        return self._problem


def parse_table(text: str) -> PlatformTable:
    """Read any published form of the table; text without a table gives no devices."""
    header: list[str | None] = []
    devices: list[DeviceSnapshot] = []
    running: dict[int, list[DeviceProcess]] = {}
    for line in text.splitlines():
        cells = _cells(line)
        if cells is None:
            continue
        columns = [COLUMNS.get(cell.lower()) for cell in cells]
        if "device" in columns and len(cells) > 2:
            header = columns
        elif header and len(cells) > 1:
            cells = _joined(cells, header)
            row = {name: cell for name, cell in zip(header, cells, strict=False) if name}
            _take(row, devices, running)
    framework = _framework(text)
    bound = tuple(_with_processes(device, running) for device in devices)
    return PlatformTable(devices=bound, framework=framework)


def _take(
    row: dict[str, str], devices: list[DeviceSnapshot], running: dict[int, list[DeviceProcess]]
) -> None:
    """File one row under devices or processes, by which columns it has."""
    star, number = _device_number(row.get("device", ""))
    if number is None:
        return
    if "pid" in row:
        pid = _whole(row["pid"])
        if pid is not None:
            running.setdefault(number, []).append(
                DeviceProcess(
                    pid=pid,
                    memory_used_bytes=_mib(row.get("used")),
                    command=_known(row.get("command")),
                    job_id=_known(row.get("job")),
                )
            )
        return
    if number not in {device.index for device in devices}:
        devices.append(_device(row, number, star))


def _device(row: dict[str, str], number: int, star: bool) -> DeviceSnapshot:
    return DeviceSnapshot(
        uuid=f"moai-{number}",
        index=number,
        kind="moai",
        name=_known(row.get("name")) or "MoAI Accelerator",
        model=_known(row.get("model")),
        current=star,
        total_memory_bytes=_mib(row.get("total")),
        memory_used_bytes=_mib(row.get("used")),
        utilization_percent=within(_whole(row.get("utilization")), 0, 100),
        memory_utilization_percent=within(_whole(row.get("memory_percent")), 0, 100),
    )


def _with_processes(
    device: DeviceSnapshot, running: dict[int, list[DeviceProcess]]
) -> DeviceSnapshot:
    found = running.get(device.index)
    return replace(device, processes=tuple(found)) if found else device


def _framework(text: str) -> Framework:
    """Find the versions; an empty one (`Current Version:   Latest …`) is unknown."""
    current = _version(text, r"(?:Current|Client|MoAI Framework) Version ?:")
    latest = _version(text, r"(?:Latest|Server) Version ?:")
    return Framework(current=current, latest=latest)


def _version(text: str, label: str) -> str | None:
    match = re.search(label + r"[ \t]*(v?\d[\w.+-]{0,40})(?=[ \t|]|$)", text, re.MULTILINE)
    return match[1] if match else None


def _cells(line: str) -> list[str] | None:
    stripped = line.strip()
    if len(stripped) < 2 or not (stripped.startswith("|") and stripped.endswith("|")):
        return None
    return [" ".join(cell.split()) for cell in stripped[1:-1].split("|")]


def _joined(cells: list[str], header: list[str | None]) -> list[str]:
    """Put a command line that itself has bars back together."""
    extra = len(cells) - len(header)
    if extra <= 0 or "command" not in header:
        return cells
    first = header.index("command")
    last = first + extra + 1
    return [*cells[:first], " | ".join(cells[first:last]), *cells[last:]]


def _device_number(cell: str) -> tuple[bool, int | None]:
    match = re.fullmatch(r"(\*?) ?(\d{1,6})", cell, re.ASCII)
    return (bool(match[1]), int(match[2])) if match else (False, None)


def _whole(cell: str | None) -> int | None:
    """Return the number of `71%`, `62 %`, `43`; None for `-` and anything else."""
    match = re.fullmatch(r"(\d{1,12}) ?%?", cell or "", re.ASCII)
    return int(match[1]) if match else None


def _mib(cell: str | None) -> int | None:
    match = re.fullmatch(r"([\d,]{1,15}) ?MiB", cell or "", re.ASCII)
    digits = match[1].replace(",", "") if match else ""
    amount = int(digits) if digits else None
    return amount * MIB if amount is not None and amount <= MOST_MEMORY_MIB else None


def _known(cell: str | None) -> str | None:
    return None if cell is None or cell in ("", "-") else show_line(cell, LONGEST_CELL)


def _ask(tool: str) -> str | None:
    return output_of(tool, timeout_seconds=TIMEOUT_SECONDS)
