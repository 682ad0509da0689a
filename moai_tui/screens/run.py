"""The live screen of one run: what it does, how it learns, and what came of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.events import Resize
from textual.screen import Screen

from moai_tui.formatting import number_of
from moai_tui.messages import (
    AcceleratorsRead,
    FollowWanted,
    ResumeRequested,
    RunUpdated,
    StopRequested,
)
from moai_tui.screens.dialogs import ConfirmDialog
from moai_tui.screens.run_layout import RUN_CSS, Arrangement, arrange, hints_for, panel_names
from moai_tui.signals import dashboard
from moai_tui.widgets.key_line import KeyLine
from moai_tui.widgets.run.curve_plot import ChartData
from moai_tui.widgets.run.device_panel import DevicePanel
from moai_tui.widgets.run.log_tail import LogTail
from moai_tui.widgets.run.loss_chart import LossChart
from moai_tui.widgets.run.metric_panel import MetricPanel
from moai_tui.widgets.run.panel_tabs import PanelTabs
from moai_tui.widgets.run.phase_list import PhaseList
from moai_tui.widgets.run.run_result import RunResult
from moai_tui.widgets.run.run_status import RunFacts, RunStatus
from moai_tui.widgets.run.sample_compare import SampleCompare
from moai_tui.widgets.run_state import LIVE, RESUMABLE, stop_detail
from moai_tui.widgets.title_line import TitleLine
from trainer_core.foreign_text import show_line
from trainer_core.run.view import RunView

PANELS = 4
OVERVIEW, PHASES, LOG, OUTCOME = range(PANELS)


class RunScreen(Screen[None]):
    """One run, live or long ended; leaving it never stops the run."""

    DEFAULT_CSS = RUN_CSS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="run.back", tooltip="The run goes on"),
        Binding("s", "stop", "Stop the run", id="run.stop", tooltip="Saves first; asks before"),
        Binding("R", "resume", "Resume the run", id="run.resume", tooltip="From its checkpoint"),
        Binding("l", "log_scale", "Log scale", id="run.log_scale", tooltip="Of the loss"),
        Binding("1", "panel(0)", "Loss and devices", id="run.loss"),
        Binding("2", "panel(1)", "Phases and notices", id="run.phases"),
        Binding("3", "panel(2)", "Log", id="run.log"),
        Binding("4", "panel(3)", "Samples and result", id="run.outcome"),
        Binding("tab", "turn_panel(1)", "Next panel", id="run.next"),
        Binding("shift+tab", "turn_panel(-1)", "Panel before", show=False),
        Binding("left", "cursor(-1)", "Values at an earlier step", id="run.earlier"),
        Binding("right", "cursor(1)", "Values at a later step", id="run.later"),
        Binding("shift+left", "cursor(-10)", "Ten columns earlier", show=False),
        Binding("shift+right", "cursor(10)", "Ten columns later", show=False),
        Binding("down,j", "move(1)", "Down in log or result", id="run.down"),
        Binding("up,k", "move(-1)", "Up in log or result", id="run.up"),
        Binding("pagedown,ctrl+d", "page(1)", "Page down in log or sample", id="run.page_down"),
        Binding("pageup,ctrl+u", "page(-1)", "Page up in log or sample", id="run.page_up"),
        Binding("g,home", "log_end(True)", "Oldest line of the log", show=False),
        Binding("G,end", "log_end(False)", "Newest line of the log", show=False),
        Binding("right_square_bracket", "turn_sample(1)", "Next sample", id="run.sample"),
        Binding("left_square_bracket", "turn_sample(-1)", "Sample before", show=False),
        Binding("y", "copy", "Copy", id="run.copy", tooltip="Also over SSH"),
    ]

    def __init__(self, run_id: str, *, clock: Callable[[], float] = time.time) -> None:
        """Make the screen of a run.

        Args:
            run_id: The run to be followed.
            clock: Returns the Unix time; tests hand in a frozen one.
        """
        super().__init__()
        self.run_id = run_id
        self._clock = clock
        self._newest: RunUpdated | None = None
        self._received = 0.0
        self._panel: int | None = None
        self._arrangement: Arrangement | None = None

    def compose(self) -> ComposeResult:
        """Title, state, tabs, panels, keys."""
        yield TitleLine(f"run {self.run_id}", id="title")
        yield RunStatus(id="status")
        yield PanelTabs(panel_names(ended=False), id="tabs")
        with Container(id="overview"):
            with Vertical(id="curve"):
                yield LossChart(id="chart")
                yield PhaseList(id="opening", notices=False)
            with Container(id="numbers"):
                yield MetricPanel(id="metrics")
                yield DevicePanel(id="devices")
        with Horizontal(id="lower"):
            yield PhaseList(id="phases")
            yield LogTail(id="log")
            with Container(id="outcome"):
                yield RunResult(id="result")
                yield SampleCompare(id="samples")
        yield KeyLine((), id="keys")

    def on_mount(self) -> None:
        """Follow the run, and show at once what is known of it."""
        app = dashboard(self)
        app.run_signal.subscribe(self, self._run_updated)
        app.accelerators_signal.subscribe(self, self._accelerators_read)
        app.clock_signal.subscribe(self, self._clock_ticked)
        self._rearrange()
        if app.newest.run is not None:
            self._run_updated(app.newest.run)
        if app.newest.accelerators is not None:
            self._accelerators_read(app.newest.accelerators)

    def on_screen_resume(self) -> None:
        """Follow this run again when a screen above it is closed, and catch up."""
        self.post_message(FollowWanted(self.run_id))
        self._show_all()

    def on_resize(self, event: Resize) -> None:
        """Use the room there is."""
        self._rearrange()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer stop only for a live run and resume only for one that can go on."""
        state = self._newest.summary.state if self._newest is not None else None
        if action == "stop":
            return state in LIVE
        if action == "resume":
            return state in RESUMABLE
        return True

    # Facts come in.

    def _run_updated(self, message: RunUpdated) -> None:
        if message.run_id != self.run_id:
            return
        before = self._newest
        self._newest, self._received = message, self._clock()
        changed = before is None or before.summary.state != message.summary.state
        if changed:
            name = message.summary.name
            place = f"run {show_line(name, 80)}" if name else "run"
            self.query_one(TitleLine).show_title(place, self.run_id)
            self.refresh_bindings()
        if self._seen:
            self._show_all()

    def _accelerators_read(self, message: AcceleratorsRead) -> None:
        self.query_one(DevicePanel).take(message.devices, message.error)

    def _clock_ticked(self, _now: float) -> None:
        """Only what moves with time is drawn again, and only while the run is live."""
        if self._seen and self._newest is not None and self._newest.summary.state in LIVE:
            facts = self._facts(self._newest)
            self.query_one(RunStatus).show(facts)
            for phases in self.query(PhaseList):
                if phases.display:
                    phases.show(facts)

    def _facts(self, update: RunUpdated) -> RunFacts:
        return RunFacts(
            update.view, update.summary, update.log_lines, self._clock(), self._received
        )

    @property
    def _seen(self) -> bool:
        """Whether the screen shows, perhaps below a dialog; if not, drawing would be for nobody."""
        return self.is_current or self.app.screen.is_modal

    def _show_all(self) -> None:
        self._rearrange()
        if self._newest is None:
            return
        update = self._newest
        facts = self._facts(update)
        self.query_one(RunStatus).show(facts)
        self.query_one(LossChart).show(chart_data(update.view, update.summary.total_steps))
        for phases in self.query(PhaseList):
            phases.show(facts)
        self.query_one(MetricPanel).show(facts)
        self.query_one(DevicePanel).show(facts)
        self.query_one(LogTail).show(update.log_lines)
        self.query_one(RunResult).show(facts)
        self.query_one(SampleCompare).show(update.view)

    # Where things stand.

    @property
    def _ended(self) -> bool:
        return self._newest is not None and self._newest.summary.state not in LIVE

    def _rearrange(self) -> None:
        """Show the panels that belong here; nothing happens while the answer stays the same."""
        update = self._newest
        plotted = update is not None and (
            update.view.step is not None or (self._ended and bool(update.view.evals))
        )
        logged = update is not None and bool(update.log_lines)
        opened = self._opened
        state = update.summary.state if update is not None else None
        failed = state in {"failed", "lost"}
        wanted = arrange(
            self.size, opened, ended=self._ended, plotted=plotted, failed=failed, logged=logged
        )
        self.query_one(KeyLine).show_hints(hints_for(state, opened))
        if wanted == self._arrangement:
            return
        self._arrangement = wanted
        self.set_class(wanted.wide, "-wide")
        for name, shown in wanted.shown.items():
            self.query_one(f"#{name}").display = shown
        self.query_one(RunResult).set_class(not wanted.shown["samples"], "-alone")
        self.query_one(PanelTabs).show(panel_names(ended=self._ended), opened)

    @property
    def _opened(self) -> int:
        """The open panel; until the user chose one, the result of a run that ended."""
        if self._panel is not None:
            return self._panel
        return OUTCOME if self._ended else OVERVIEW

    # Keys.

    def action_back(self) -> None:
        """Close the screen; the run goes on."""
        dashboard(self).go_back()

    def action_panel(self, number: int) -> None:
        """Open a panel."""
        self._panel = number
        self._rearrange()

    def action_turn_panel(self, by: int) -> None:
        """Open the next panel or the one before."""
        self.action_panel((self._opened + by) % PANELS)

    def action_log_scale(self) -> None:
        """Switch the scale of the loss."""
        chart = self.query_one(LossChart)
        chart.logarithmic = not chart.logarithmic

    def action_cursor(self, cells: int) -> None:
        """Move the value cursor of the chart."""
        self.query_one(LossChart).move_cursor(cells)

    def action_move(self, by: int) -> None:
        """Move in what is open: the lines to copy, or the log."""
        if self.query_one("#outcome").display:
            self.query_one(RunResult).choose(by)
        else:
            self.query_one(LogTail).scroll_lines(by)

    def action_page(self, by: int) -> None:
        """Scroll the samples or the log by a page."""
        if self.query_one("#outcome").display:
            samples = self.query_one(SampleCompare)
            samples.scroll_lines(by * max(1, samples.size.height - 2))
        else:
            log = self.query_one(LogTail)
            log.scroll_lines(by * max(1, log.size.height - 2))

    def action_log_end(self, top: bool) -> None:
        """Go to an end of the log."""
        self.query_one(LogTail).scroll_to_end(top=top)

    def action_turn_sample(self, by: int) -> None:
        """Show another prompt."""
        self.query_one(SampleCompare).turn(by)

    def action_copy(self) -> None:
        """Copy what is open: a line of the result, the log, or the command to come back."""
        app = dashboard(self)
        if self._opened == LOG and self._newest is not None:
            app.copy("\n".join(self._newest.log_lines), "the log's last lines")
            return
        if self.query_one("#outcome").display:
            chosen = self.query_one(RunResult).chosen
            if chosen is not None:
                app.copy(chosen.text, chosen.what)
            return
        app.copy(f"moai-tui attach {self.run_id}", "the command that opens this run")

    def action_stop(self) -> None:
        """Ask, then ask the run to save and stop."""
        question = f"Stop run {show_line(self._run_name, 60)}?"
        state = self._newest.summary.state if self._newest is not None else None
        dialog = ConfirmDialog(question, stop_detail(state), yes="stop it")
        self.app.push_screen(dialog, self._stop_answered)

    def _stop_answered(self, answer: bool | None) -> None:
        if answer:
            self.post_message(StopRequested(self.run_id))

    def action_resume(self) -> None:
        """Let the run go on from its last checkpoint."""
        self.post_message(ResumeRequested(self.run_id))

    @property
    def _run_name(self) -> str:
        return (self._newest.summary.name if self._newest is not None else None) or self.run_id


def chart_data(view: RunView, total_steps: int | None) -> ChartData:
    """Return what the chart draws of a run; losses that are not numbers are left out."""
    evals = [(seen.step, number_of(seen.eval_loss)) for seen in view.evals]
    finite = tuple((step, loss) for step, loss in evals if loss is not None and math.isfinite(loss))
    total = total_steps or (view.started.total_steps if view.started else None)
    return ChartData(view.loss, view.smoothed_loss, finite, tuple(view.marks), total)
