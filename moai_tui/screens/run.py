"""The live screen of one run: what it does, how it learns, and what came of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.events import Resize
from textual.screen import Screen

from moai_tui.formatting import number_of
from moai_tui.messages import (
    AcceleratorsRead,
    FollowWanted,
    RunUpdated,
)
from moai_tui.screens import run_keys
from moai_tui.screens.overlay_choice import OverlayChoice
from moai_tui.screens.run_actions import RunActions
from moai_tui.screens.run_dialogs import CopyDialog
from moai_tui.screens.run_layout import (
    LOG,
    OUTCOME,
    OVERVIEW,
    PANELS,
    RUN_CSS,
    Arrangement,
    arrange,
    panel_names,
)
from moai_tui.signals import dashboard
from moai_tui.widgets.key_line import KeyLine
from moai_tui.widgets.run.curve_plot import ChartData
from moai_tui.widgets.run.device_panel import DevicePanel
from moai_tui.widgets.run.log_tail import LogTail
from moai_tui.widgets.run.loss_chart import LossChart
from moai_tui.widgets.run.metric_panel import MetricPanel
from moai_tui.widgets.run.panel_tabs import PanelTabs
from moai_tui.widgets.run.phase_list import PhaseList
from moai_tui.widgets.run.run_result import Copyable, RunResult, all_copyables
from moai_tui.widgets.run.run_status import RunFacts, RunStatus
from moai_tui.widgets.run.sample_compare import SampleCompare
from moai_tui.widgets.run.time_shares import TimeShares
from moai_tui.widgets.run_state import LIVE
from moai_tui.widgets.title_line import TitleLine
from trainer_core.foreign_text import show_line
from trainer_core.run.record.view import RunView

if TYPE_CHECKING:
    from trainer_core.run.record.summary import RunSummary


class RunScreen(Screen[None]):
    """One run, live or long ended; leaving it never stops the run."""

    DEFAULT_CSS = RUN_CSS
    BINDINGS: ClassVar[list[BindingType]] = run_keys.BINDINGS

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
            yield TimeShares(id="time")
            yield LogTail(id="log")
            with Container(id="outcome"):
                yield RunResult(id="result")
                yield SampleCompare(id="samples")
        yield KeyLine((), id="keys")

    def on_mount(self) -> None:
        """Follow the run, and show at once what is known of it."""
        app = dashboard(self)
        self._actions = RunActions(self, lambda: self.summary, gone=app.go_back)
        self._overlay = OverlayChoice(self, self.run_id, self._show_all)
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

    @property
    def summary(self) -> RunSummary | None:
        """The run as it was last heard of."""
        return self._newest.summary if self._newest is not None else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what the run, as it stands, can do."""
        return self._actions.offers(str(parameters[0])) if action == "run" else True

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
        drawn = chart_data(update.view, update.summary.total_steps)
        self.query_one(LossChart).show(replace(drawn, others=self._overlay.overlays))
        for phases in self.query(PhaseList):
            phases.show(facts)
        self.query_one(MetricPanel).show(facts)
        self.query_one(DevicePanel).show(facts)
        self.query_one(LogTail).show(update.log_lines)
        self.query_one(TimeShares).show(facts)
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
        self.query_one(KeyLine).show_hints(run_keys.hints_for(state, opened))
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

    def action_chart(self, what: str) -> None:
        """Show the loss in another way: its scale, or fewer or more steps."""
        chart = self.query_one(LossChart)
        if what == "scale":
            chart.logarithmic = not chart.logarithmic
        else:
            chart.zoom_by({"in": 1, "out": -1, "whole": -chart.zoom}[what])

    def action_overlay(self) -> None:
        """Draw another run below this one, or take it away again."""
        self._overlay.toggle()

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
            self._copy(self.query_one(RunResult).chosen)
            return
        app.copy(f"moai-tui attach {self.run_id}", "the command that opens this run")

    def action_copy_menu(self) -> None:
        """Offer everything of the run that one would otherwise retype."""
        if self._newest is not None:
            items = all_copyables(self._facts(self._newest))
            self.app.push_screen(CopyDialog(items), self._copy)

    def _copy(self, item: Copyable | None) -> None:
        if item is not None:
            dashboard(self).copy(item.text, item.what)

    def action_run(self, what: str) -> None:
        """Do something with the run; what could be lost is asked first."""
        self._actions.do(what)


def chart_data(view: RunView, total_steps: int | None) -> ChartData:
    """Return what the chart draws of a run; losses that are not numbers are left out."""
    evals = [(seen.step, number_of(seen.eval_loss)) for seen in view.evals]
    finite = tuple((step, loss) for step, loss in evals if loss is not None and math.isfinite(loss))
    total = total_steps or (view.started.total_steps if view.started else None)
    return ChartData(view.loss, view.smoothed_loss, finite, tuple(view.marks), total)
