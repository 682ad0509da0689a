"""Home: the accelerators above, the runs below."""

from __future__ import annotations

import socket
from collections import Counter
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.widgets import Input

from moai_tui import formatting
from moai_tui.messages import AcceleratorsRead, RunsListed
from moai_tui.screens.run_list_screen import RunListScreen
from moai_tui.signals import dashboard
from moai_tui.widgets.dashboard.accelerator_table import AcceleratorTable
from moai_tui.widgets.dashboard.section_line import SectionLine
from moai_tui.widgets.dashboard.truth_line import TruthLine
from moai_tui.widgets.key_line import KeyLine
from moai_tui.widgets.run_state import LIVE, state_word
from moai_tui.widgets.run_table import RunTable
from moai_tui.widgets.title_line import TitleLine

SMALL_WIDTH, SMALL_HEIGHT = 60, 16
"""Below this there is room for one line only."""

RUN_LINES = 8
"""Lines the list of runs keeps, heads included, however many devices there are."""

HINTS = (
    ("n", "new run"),
    ("enter", "open"),
    ("s", "stop"),
    ("R", "resume"),
    ("/", "filter"),
    ("?", "help"),
    ("q", "quit"),
    ("2", "all runs"),
    ("3", "devices"),
    ("ctrl+p", "commands"),
)


class DashboardScreen(RunListScreen):
    """The home screen; it lies under every other one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "toggle_devices", "Open devices", id="home.devices", tooltip="Or close them"),
    ]

    def compose(self) -> ComposeResult:
        """Build the two tables between title and keys."""
        yield TitleLine("accelerators and runs", socket.gethostname())
        yield TruthLine()
        yield SectionLine("Accelerators", id="accelerator-section")
        yield AcceleratorTable()
        yield SectionLine("Runs", id="run-section")
        yield RunTable(
            empty=[
                [],
                [("No runs yet. Press ", ""), ("n", "key"), (" for a new run.", "")],
            ]
        )
        yield Input(placeholder="name, state, model or dataset", id="filter")
        yield KeyLine(HINTS)

    def on_mount(self) -> None:
        """Listen to the accelerators too."""
        app = dashboard(self)
        app.accelerators_signal.subscribe(self, self.show_accelerators)
        if app.newest.accelerators is not None:
            self.show_accelerators(app.newest.accelerators)

    def on_resize(self, event: Resize) -> None:
        """Choose between the screen and one line, and share the lines out."""
        size = event.size
        self.set_class(size.width < SMALL_WIDTH or size.height < SMALL_HEIGHT, "-small")
        newest = dashboard(self).newest.accelerators
        rows = len(newest.rows) if newest is not None else 1
        fixed = 1 + 2 + 2 + rows + 2 + 2 + 1  # title, sections, heads, rows, sum, gap, keys
        self.query_one(AcceleratorTable).set_room(size.height - fixed - RUN_LINES)

    def show_accelerators(self, message: AcceleratorsRead) -> None:
        """Show the newest reading."""
        table = self.query_one(AcceleratorTable)
        note = message.error or (message.notes[0] if message.notes else None)
        table.show_reading(message.rows, message.devices, note)
        self._tell_devices(message)

    def show_list(self, message: RunsListed) -> None:
        """Show the newest list, here and in the accelerators' rows."""
        super().show_list(message)
        table = self.query_one(AcceleratorTable)
        table.know_runs({run.id: run.name or run.id for run in message.runs})
        total = len(message.runs)
        words = f"{total} run{'s' if total != 1 else ''}"
        living = Counter(state_word(run) for run in message.runs if run.state in LIVE)
        if living:
            words += ": " + ", ".join(f"{count} {word}" for word, count in living.items())
        self.query_one("#run-section", SectionLine).show_detail(words if total else "")
        self.query_one(TruthLine).show_runs(message.runs)

    def _tell_devices(self, message: AcceleratorsRead) -> None:
        names = {device.name for device in message.devices}
        words = ""
        if len(names) == 1:
            count = len(message.devices)
            words = f"{count} × {names.pop()}" if count > 1 else names.pop()
            words += f" · {formatting.bytes_text(message.devices[0].total_memory_bytes)}"
        self.query_one("#accelerator-section", SectionLine).show_detail(words)
        self.query_one(TruthLine).show_devices(message.devices)

    def action_toggle_devices(self) -> None:
        """Open or close the physical devices."""
        self.query_one(AcceleratorTable).toggle()
