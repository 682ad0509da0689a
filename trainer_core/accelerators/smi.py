"""The platform's tables, to the character.

Layout from published output of `moreh-smi`: two spaces on each side of a cell, a line of
89 characters and the longest model name, outer rules without inner crosses. An unknown figure
is `-`. Source: https://github.com/moreh-dev/moreh-2024docs (moreh_toolkit.md).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from trainer_core.accelerators.base import DeviceProcess, DeviceSnapshot
from trainer_core.accelerators.occupancy import AcceleratorRow
from trainer_core.foreign_text import show_line

MIB = 2**20
NAME_WIDTH = 17
MEMORY_WIDTH = 12
LONGEST_COMMAND = 60
"""Command lines are cut here; `--json` has them whole."""


def render(rows: Sequence[AcceleratorRow], current: str, latest: str) -> str:
    """Return the accelerator table, and the process table when something runs.

    Args:
        rows: What `occupancy.accelerator_rows` gives.
        current: Version shown as current.
        latest: Version shown as latest.

    Returns:
        Lines without a newline at the end.
    """
    model_width = max((len(row.model) for row in rows), default=len("Model"))
    model_width = max(model_width, len("Model"))
    name_width = max([NAME_WIDTH, *(len(row.name) for row in rows)])
    header = (
        f"|  Device  |  {'Name':^{name_width}}  |{_model_header(model_width + 4)}"
        "|  Memory Usage  |  Total Memory  |  Utilization  |"
    )
    inner = len(header) - 2
    version = f"Current Version: {current}  Latest Version: {latest}"
    lines = [
        f"+{'-' * inner}+",
        f"|{version:>{inner - 2}}  |",
        f"+{'-' * inner}+",
        header,
        f"+{'=' * inner}+",
        *(_row(row, name_width, model_width) for row in rows),
        f"+{'-' * inner}+",
    ]
    processes = [(row, process) for row in rows if row.held for process in row.processes]
    if processes:
        lines += ["", "Processes:", *_process_lines(processes)]
    return "\n".join(lines)


def render_devices(devices: Sequence[DeviceSnapshot]) -> str:
    """Return the table of physical devices, as `moreh-smi -p` prints it."""
    places = [_place(device) for device in devices]
    width = max([8, *(len(place) for place in places)])
    header = (
        f"|  Dev  |  {'Location':^{width}}  |  Dev Temp  |  Mem Temp  |  Dev Util  |  Mem Util  "
        "|  Mem Usage  |"
    )
    inner = len(header) - 2
    lines = [f"+{'-' * inner}+", header, f"+{'=' * inner}+"]
    for device, place in zip(devices, places, strict=True):
        cells = (
            _unit(device.temperature_celsius, "C"),
            _unit(device.memory_temperature_celsius, "C"),
            _unit(device.utilization_percent, "%"),
            _unit(device.memory_utilization_percent, "%"),
            _unit(memory_percent(device), "%") + " ",
        )
        lines.append(f"|  {device.index:>3}  |  {place:<{width}}  |{'|'.join(cells)}|")
    lines.append(f"+{'-' * inner}+")
    return "\n".join(lines)


def render_models(rows: Sequence[AcceleratorRow]) -> str:
    """Return the short table (Device, Name, Model) of the `device` commands."""
    model_width = max((len(row.model) for row in rows), default=len("Model"))
    name_width = max([NAME_WIDTH, *(len(row.name) for row in rows)])
    header = f"|  Device  |  {'Name':^{name_width}}  |{_model_header(model_width + 4)}|"
    inner = len(header) - 2
    body = [
        f"|  {_star(row)}  |  {row.name:>{name_width}}  |  {row.model:<{model_width}}  |"
        for row in rows
    ]
    rule = f"+{'-' * inner}+"
    return "\n".join([rule, header, f"+{'=' * inner}+", *body, rule])


def memory_percent(device: DeviceSnapshot) -> float | None:
    """Return the share of a device's memory in use, 0–100; None where unknown."""
    if device.memory_used_bytes is None or not device.total_memory_bytes:
        return None
    return 100 * device.memory_used_bytes / device.total_memory_bytes


def _row(row: AcceleratorRow, name_width: int, model_width: int) -> str:
    used = _mib(row.memory_used_bytes if row.held else None)
    total = _mib(row.total_memory_bytes if row.held else None)
    busy = "-"
    if row.held and row.utilization_percent is not None:
        busy = f"{row.utilization_percent:>3.0f} %"
    return (
        f"|  {_star(row)}  |  {row.name:>{name_width}}  |  {row.model:<{model_width}}  "
        f"|  {used:<{MEMORY_WIDTH}}  |  {total:<{MEMORY_WIDTH}}  |  {busy:<11}  |"
    )


def _process_lines(processes: Sequence[tuple[AcceleratorRow, DeviceProcess]]) -> list[str]:
    jobs = [process.job_id or process.run_id or "-" for _, process in processes]
    pids = [str(process.pid) for _, process in processes]
    commands = [_command(process) for _, process in processes]
    job, pid, command = (
        _width(t, c) for t, c in (("Job ID", jobs), ("PID", pids), ("Process", commands))
    )
    header = (
        f"|  Device  |{_centred('Job ID', job + 4)}|{_centred('PID', pid + 4)}"
        f"|{_centred('Process', command + 4)}|  Memory Usage  |"
    )
    inner = len(header) - 2
    lines = [f"+{'-' * inner}+", header, f"+{'=' * inner}+"]
    for place, (row, process) in enumerate(processes):
        memory = _mib(process.memory_used_bytes)
        lines.append(
            f"|  {row.index:>6}  |  {jobs[place]:>{job}}  |  {pids[place]:>{pid}}  "
            f"|  {commands[place]:<{command}}  |  {memory:<{MEMORY_WIDTH}}  |"
        )
    lines.append(f"+{'-' * inner}+")
    return lines


def _width(title: str, values: Sequence[str]) -> int:
    return max([len(title), *(len(value) for value in values)])


def _command(process: DeviceProcess) -> str:
    return show_line(process.command or "-", LONGEST_COMMAND)


def _model_header(width: int) -> str:
    """Place `Model` as the platform does: half of the free space and one more before it."""
    left = (width - len("Model")) // 2 + 1
    return f"{' ' * left}Model".ljust(width)


def _centred(title: str, width: int) -> str:
    """Centre a title; where the space is odd the larger half stands before it."""
    return f"{' ' * ((width - len(title) + 1) // 2)}{title}".ljust(width)


def _star(row: AcceleratorRow) -> str:
    return f"{'*' if row.current else ' '} {row.index:<4}"


def _mib(amount_bytes: int | None) -> str:
    return "-" if amount_bytes is None else f"{amount_bytes // MIB} MiB"


def _unit(figure: float | None, unit: str) -> str:
    """Return a cell of twelve characters: `    36 C    `."""
    return f"{'-':>6}{'':6}" if figure is None else f"{figure:>6.0f} {unit}    "


def _place(device: DeviceSnapshot) -> str:
    """Return node and slot as the platform does; a PCI address says less to a person."""
    by_address = re.match(r"[0-9a-f]{4}:[0-9a-f]{2}:", device.location or "")
    if device.location and not by_address:
        return show_line(device.location, 24)
    return f"{os.uname().nodename[:20] or 'host'}:{device.index}"
