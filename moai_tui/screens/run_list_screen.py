"""What the home screen and the runs page share: a list of runs with its keys and its filter."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input

from moai_tui.messages import ResumeRequested, RunsListed, RunsWanted, StopRequested
from moai_tui.screens.dialogs import ConfirmDialog
from moai_tui.signals import dashboard
from moai_tui.widgets.run_state import LIVE, RESUMABLE, state_word, stop_detail
from moai_tui.widgets.run_table import RunTable, run_title

if TYPE_CHECKING:
    from trainer_core.run.summary import RunSummary


class RunListScreen(Screen[None]):
    """A screen with one `RunTable` and one `Input` with id `filter`, hidden until `/`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "stop_run", "Stop run", id="runs.stop", tooltip="Save, then end the run"),
        Binding("f9", "stop_run", "Stop run", show=False),
        Binding("R", "resume_run", "Resume run", id="runs.resume", tooltip="Go on from its save"),
        Binding("slash,f4", "filter", "Filter", id="runs.filter", tooltip="Show only some runs"),
        Binding("y", "copy_command", "Copy command", id="runs.copy", tooltip="Show it again later"),
        Binding("escape", "leave", "Back", show=False),
    ]

    @property
    def table(self) -> RunTable:
        """The list of runs."""
        return self.query_one(RunTable)

    @property
    def filter_input(self) -> Input:
        """The line one types the filter in."""
        return self.query_one("#filter", Input)

    def on_mount(self) -> None:
        """Listen, and show what is known already."""
        app = dashboard(self)
        app.runs_signal.subscribe(self, self.show_list)
        if app.newest.runs is not None:
            self.show_list(app.newest.runs)
        self.filter_input.display = False
        self.table.focus()

    def on_screen_resume(self) -> None:
        """The list is on screen: have it read, with the cursor on the run one comes from."""
        self.post_message(RunsWanted(True))
        visited = dashboard(self).newest.visited
        if visited is not None and visited != self._came_from:
            self._came_from = visited
            self.table.move_to(visited)

    _came_from: str | None = None

    def on_screen_suspend(self) -> None:
        """The list is hidden: it costs nothing."""
        self.post_message(RunsWanted(False))

    def show_list(self, message: RunsListed) -> None:
        """Show the newest list."""
        self.table.show_runs(message.runs)

    @on(RunTable.Opened)
    def _open(self, event: RunTable.Opened) -> None:
        event.stop()
        dashboard(self).open_run(event.run.id)

    @on(Input.Changed, "#filter")
    def _filter_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.table.filter_by(event.value)

    @on(Input.Submitted, "#filter")
    def _filter_done(self, event: Input.Submitted) -> None:
        event.stop()
        self.filter_input.display = bool(event.value)
        self.table.focus()

    def action_filter(self) -> None:
        """Type what the runs must contain."""
        self.filter_input.display = True
        self.filter_input.focus()

    def action_leave(self) -> None:
        """Drop the filter; without one go back."""
        if self.filter_input.display:
            self.filter_input.value = ""
            self.filter_input.display = False
            self.table.focus()
        else:
            dashboard(self).go_back()

    def action_stop_run(self) -> None:
        """Ask, then have the run saved and ended."""
        run = self.table.run_under_cursor
        if run is None:
            return
        if run.state not in LIVE:
            dashboard(self).say(f"This run is {state_word(run)}; there is nothing to stop.")
            return
        question = ConfirmDialog(
            f"Stop {run_title(run)}?",
            stop_detail(run.state),
            yes="stop it",
        )
        self.app.push_screen(question, partial(self._stop_answered, run))

    def _stop_answered(self, run: RunSummary, answer: bool | None) -> None:
        if answer:
            self.post_message(StopRequested(run.id))
            dashboard(self).say(f"Asked {run_title(run)} to stop.")

    def action_resume_run(self) -> None:
        """Let a run that has ended go on."""
        run = self.table.run_under_cursor
        if run is None:
            return
        if run.state in RESUMABLE:
            self.post_message(ResumeRequested(run.id))
            dashboard(self).say(f"Asked {run_title(run)} to go on.")
        else:
            dashboard(self).say(f"This run is {state_word(run)}; there is nothing to resume.")

    def action_copy_command(self) -> None:
        """Copy the command that shows this run again."""
        run = self.table.run_under_cursor
        if run is not None:
            dashboard(self).copy(f"moai-tui attach {run.id}", "the command that opens this run")
