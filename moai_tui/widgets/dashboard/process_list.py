"""Processes on the devices: whose they are, what they hold, for how long."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from moai_tui import formatting
from moai_tui.widgets.dashboard.cursor_list import CursorList
from moai_tui.widgets.lines import Line, Piece, fit, line_width
from trainer_core.foreign_text import show_line

if TYPE_CHECKING:
    from trainer_core.accelerators.base import DeviceProcess, DeviceSnapshot

HEADS = ("Device", "PID", "User", "Memory", "Age", "Whose")
WIDTHS = (6, 8, 10, 10, 4, 18)


class ProcessList(CursorList):
    """One line a process and device; hidden ones are said in words."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(empty=[[("No process holds a device.", "muted")]], id=id)
        self._processes: dict[str, DeviceProcess] = {}

    @property
    def process_under_cursor(self) -> DeviceProcess | None:
        """The process the keys speak of; None on a line that is none."""
        return self._processes.get(self.cursor or "")

    def show_processes(
        self, devices: Sequence[DeviceSnapshot], own_runs: Mapping[str, str], user: str
    ) -> None:
        """Show every process of a reading.

        Args:
            devices: The reading.
            own_runs: Titles of this user's runs by id.
            user: Login name of this user.
        """
        self._refit = partial(self.show_processes, devices, own_runs, user)
        width = self.size.width
        self._processes = {}
        entries: list[tuple[str, Line]] = []
        for device in devices:
            for process in device.processes:
                key = f"{device.uuid}/{process.pid}"
                self._processes[key] = process
                entries.append((key, process_line(device, process, own_runs, user, width)))
            if device.processes_hidden:
                words = "processes outside this container, which sees no numbers of theirs"
                entries.append((f"{device.uuid}/hidden", _hidden_line(device, words, width)))
        heads = "  ".join(fit(head, cells) for head, cells in zip(HEADS, WIDTHS, strict=True))
        head: Line = [(fit(f"{heads}  Command", width), "muted")]
        self.show_entries([head] if entries else [], entries)


def process_line(
    device: DeviceSnapshot,
    process: DeviceProcess,
    own_runs: Mapping[str, str],
    user: str,
    width: int,
) -> Line:
    """Return one process: device, number, user, memory, age, whose it is, command."""
    whose, style = whose_piece(process, own_runs, user)
    age = None if process.started_at is None else time.time() - process.started_at
    cells = (
        str(device.index),
        str(process.pid),
        show_line(process.user or formatting.UNKNOWN, 40),
        formatting.bytes_text(process.memory_used_bytes),
        formatting.age_text(age),
    )
    line: list[Piece] = [
        (fit(text, cell) + "  ", "") for text, cell in zip(cells, WIDTHS, strict=False)
    ]
    line.append((fit(whose, WIDTHS[-1]) + "  ", style))
    command = show_line(process.command or formatting.UNKNOWN, 500)
    line.append((fit(command, max(0, width - line_width(line))), "muted"))
    return line


def whose_piece(process: DeviceProcess, own_runs: Mapping[str, str], user: str) -> Piece:
    """Say whose a process is: of a run of mine, mine otherwise, or somebody else's."""
    if process.run_id is not None and process.run_id in own_runs:
        return f"run {show_line(own_runs[process.run_id], 40)}", "good"
    if process.user is not None and process.user == user:
        return "yours, no run", "accent"
    if process.user is None:
        return formatting.UNKNOWN, "muted"
    return "a run of theirs" if process.run_id else "somebody else's", "warn"


def _hidden_line(device: DeviceSnapshot, words: str, width: int) -> Line:
    return [(fit(f"{fit(str(device.index), WIDTHS[0])}  {words}", width), "warn")]
