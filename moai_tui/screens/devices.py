"""Accelerators, the devices behind them and every process on them; what can be changed there."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.screen import Screen

from moai_tui.messages import (
    AcceleratorsRead,
    DeviceWish,
    PoolChangeWanted,
    RunsListed,
    RunsWanted,
    SignalWanted,
    StopRequested,
)
from moai_tui.screens.dialogs import ConfirmDialog
from moai_tui.screens.sizes import SizeDialog
from moai_tui.signals import dashboard
from moai_tui.widgets.dashboard.accelerator_list import AcceleratorList, DeviceList
from moai_tui.widgets.dashboard.accelerator_table import AcceleratorTable, sum_line
from moai_tui.widgets.dashboard.cursor_list import CursorList
from moai_tui.widgets.dashboard.device_charts import DeviceCharts
from moai_tui.widgets.dashboard.device_detail import DeviceDetail
from moai_tui.widgets.dashboard.process_list import ProcessList
from moai_tui.widgets.dashboard.section_line import SectionLine
from moai_tui.widgets.dashboard.waiting_list import WaitingList
from moai_tui.widgets.key_line import KeyLine
from moai_tui.widgets.title_line import TitleLine
from trainer_core.foreign_text import show_line

if TYPE_CHECKING:
    from trainer_core.accelerators.base import DeviceProcess, Size

TALL = 44
"""Lines from which the device under the cursor has its charts; of more they take their part."""

CHART_LINES = (12, 36)
"""Lines of the charts, least and most."""

LOW = 32
"""Lines below which the lists make room for those who wait."""

HINTS = (
    ("tab", "next list"),
    ("enter", "make current"),
    ("w", "size"),
    ("a", "add"),
    ("x", "remove"),
    ("r", "reset"),
    ("T", "end process"),
    ("?", "help"),
    ("esc", "back"),
)

CANCEL = ("c", "cancel waiting run")
"""Named where somebody waits."""

SIGNAL_WORDS = {
    "INT": "It is asked to stop, as by ctrl+c.",
    "TERM": "It is asked to end.",
    "KILL": "It ends at once and saves nothing.",
}


class DevicesScreen(Screen[None]):
    """The accelerators screen; every change is asked for first where something could be lost."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "make_current", "Make current", tooltip="New runs get this accelerator"),
        Binding("w,f6", "resize", "Switch size", id="devices.size", tooltip="Of the accelerator"),
        Binding("a", "add", "Add accelerator", id="devices.add", tooltip="Of a size you choose"),
        Binding("x", "remove", "Remove accelerator", id="devices.remove", tooltip="Asks first"),
        Binding("r", "reset", "Reset accelerator", id="devices.reset", tooltip="Stop its run"),
        Binding("c", "cancel", "Cancel waiting run", id="devices.cancel", tooltip="Asks first"),
        Binding("I", "send('INT')", "Interrupt process", tooltip="SIGINT to your process"),
        Binding("T", "send('TERM')", "End process", tooltip="SIGTERM to your process"),
        Binding("K", "send('KILL')", "Kill process", tooltip="SIGKILL to your process"),
        Binding("escape", "leave", "Back", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._reading = AcceleratorsRead(())
        self._own_runs: dict[str, str] = {}
        home = self.app.screen_stack[0].query(AcceleratorTable)
        self._histories = home.first().histories if home else {}

    def compose(self) -> ComposeResult:
        """Four lists, the device under the cursor in full, and the keys."""
        yield TitleLine("accelerators and devices", socket.gethostname())
        yield SectionLine("Accelerators")
        yield AcceleratorList()
        yield SectionLine("Devices", id="device-section")
        yield DeviceList(self._histories)
        yield DeviceDetail()
        yield DeviceCharts()
        yield SectionLine("Waiting", id="waiting-section")
        yield WaitingList()
        yield SectionLine("Processes")
        yield ProcessList()
        yield KeyLine(HINTS)

    def on_mount(self) -> None:
        """Listen, and show what is known already."""
        app = dashboard(self)
        app.accelerators_signal.subscribe(self, self._show_reading)
        app.runs_signal.subscribe(self, self._show_runs)
        if app.newest.runs is not None:
            self._show_runs(app.newest.runs)
        if app.newest.accelerators is not None:
            self._reading = app.newest.accelerators
        self.query_one(AcceleratorList).focus()

    def on_screen_resume(self) -> None:
        """Runs are read while they name the holders here."""
        self.post_message(RunsWanted(True))

    def on_screen_suspend(self) -> None:
        """Hidden, it costs nothing."""
        self.post_message(RunsWanted(False))

    def on_resize(self, event: Resize) -> None:
        """Make room for charts, and fit everything again."""
        height = event.size.height
        charts = self.query_one(DeviceCharts)
        charts.display = height >= TALL
        charts.styles.height = max(CHART_LINES[0], min(CHART_LINES[1], height - TALL))
        self.call_after_refresh(self._draw)

    def _show_reading(self, reading: AcceleratorsRead) -> None:
        self._reading = reading
        self._draw()

    def _show_runs(self, message: RunsListed) -> None:
        self._own_runs = {run.id: run.name or run.id for run in message.runs}
        self._draw()

    def _draw(self) -> None:
        from trainer_core.accelerators.locks import user_name

        reading = self._reading
        self.query_one(AcceleratorList).show_rows(reading.rows)
        self.query_one(DeviceList).show_devices(reading.devices, self._own_runs)
        self.query_one(ProcessList).show_processes(reading.devices, self._own_runs, user_name())
        self._draw_waiting(reading)
        total = "".join(text for text, _ in sum_line(reading.devices, self._own_runs))
        note = reading.error or (reading.notes[0] if reading.notes else None)
        detail = " · ".join(words for words in (total, note) if words)
        self.query_one("#device-section", SectionLine).show_detail(detail)
        self._show_detail()

    def _draw_waiting(self, reading: AcceleratorsRead) -> None:
        some, waiting = bool(reading.waiting), self.query_one(WaitingList)
        if waiting.display != some:
            self.query_one("#waiting-section").display = waiting.display = some
            self.query_one(KeyLine).show_hints((*HINTS[:2], CANCEL, *HINTS[2:]) if some else HINTS)
        self.set_class(some and self.size.height < LOW, "-crowded")
        waiting.show_waiting(reading.waiting, self._own_runs)

    @on(CursorList.Moved)
    def _show_detail(self) -> None:
        uuid = self.query_one(DeviceList).uuid
        chosen = next((device for device in self._reading.devices if device.uuid == uuid), None)
        self.query_one(DeviceDetail).show_device(chosen)
        self.query_one(DeviceCharts).show_device(chosen, self._histories.get(uuid or ""))

    # Accelerators.

    def _index(self) -> int:
        return self.query_one(AcceleratorList).index or 0

    def _wish(self, wish: DeviceWish) -> None:
        if dashboard(self).may_change():
            self.post_message(wish)

    def action_make_current(self) -> None:
        """New runs get the accelerator under the cursor."""
        self._wish(PoolChangeWanted("switch", self._reading.devices, self._index()))

    def action_resize(self) -> None:
        """Give the accelerator under the cursor another size."""
        self._ask_size("resize", self._index())

    def action_add(self) -> None:
        """One accelerator more."""
        self._ask_size("add", 0)

    def _ask_size(self, action: Literal["add", "resize"], index: int) -> None:
        def picked(size: Size | None) -> None:
            if size is not None:
                self._wish(PoolChangeWanted(action, self._reading.devices, index, size))

        row = next((row for row in self._reading.rows if row.index == index), None)
        current = row.model if row is not None and action == "resize" else None
        if self._reading.devices and dashboard(self).may_change():
            self.app.push_screen(SizeDialog(self._reading.devices, current), picked)

    def action_remove(self) -> None:
        """One accelerator less; its size is forgotten, so it is asked first."""
        index = self._index()
        wish = PoolChangeWanted("remove", self._reading.devices, index)
        question = ConfirmDialog(
            f"Remove accelerator {index}?", "Runs on it go on; no device is touched.", yes="remove"
        )
        self._confirmed(question, partial(self._wish, wish))

    def action_reset(self) -> None:
        """Stop the run on the accelerator under the cursor, as `moreh-smi --reset`."""
        index = self._index()
        row = next((row for row in self._reading.rows if row.index == index), None)
        if row is None or row.run_id is None:
            dashboard(self).say("Device release failed. (Not running job.)", ok=False)
            return
        name = show_line(self._own_runs.get(row.run_id, row.run_id), 60)
        question = ConfirmDialog(
            f"Stop {name} on accelerator {index}?",
            "It saves a checkpoint and the model first.",
            yes="stop it",
        )
        self._confirmed(question, partial(self.post_message, StopRequested(row.run_id)))

    def action_cancel(self) -> None:
        """Take the run under the cursor out of the line, if it is the user's own."""
        waiting = self.query_one(WaitingList).run_under_cursor
        if waiting is None:
            dashboard(self).say("No run waits for devices.")
        elif waiting.run_id not in self._own_runs:
            whose = show_line(waiting.user or "somebody else", 40)
            dashboard(self).say(f"That run is {whose}'s; only they can cancel it.", ok=False)
        else:
            name = show_line(self._own_runs[waiting.run_id], 60)
            detail = "It leaves the line; nothing was trained yet that could be lost."
            question = ConfirmDialog(f"Cancel {name}?", detail, yes="cancel it")
            self._confirmed(question, partial(self.post_message, StopRequested(waiting.run_id)))

    # Processes.

    def action_send(self, name: Literal["INT", "TERM", "KILL"]) -> None:
        """Ask, then send a signal to the process under the cursor, if it is the user's own."""
        process = self.query_one(ProcessList).process_under_cursor
        if process is None:
            dashboard(self).say("There is no process under the cursor.")
            return
        if not is_own(process):
            dashboard(self).say(
                f"Process {process.pid} belongs to somebody else; ask {process.user or 'them'}.",
                ok=False,
            )
            return
        words = [show_line(process.command or "", 70), SIGNAL_WORDS[name]]
        if process.run_id in self._own_runs:
            words.append("It belongs to a run: r on the accelerator stops that and saves.")
        question = ConfirmDialog(
            f"Send {name} to process {process.pid}?", "\n".join(words), yes="send"
        )
        self._confirmed(question, partial(self._wish, SignalWanted(process, name)))

    def _confirmed(self, question: ConfirmDialog, do: object) -> None:
        def answered(answer: bool | None) -> None:
            if answer and callable(do):
                do()

        if dashboard(self).may_change():
            self.app.push_screen(question, answered)

    def action_leave(self) -> None:
        """Go back."""
        dashboard(self).go_back()


def is_own(process: DeviceProcess) -> bool:
    """Say whether the process is this user's: it was when it was seen, and it is now."""
    from trainer_core.accelerators import process_signals
    from trainer_core.accelerators.locks import user_name

    return process.user == user_name() and process_signals.is_own(process.pid)
