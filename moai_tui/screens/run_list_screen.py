"""What the home screen and the runs page share: a list of runs with its keys and its filter."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input

from moai_tui.messages import RestoreWanted, RunsListed, RunsWanted
from moai_tui.screens import run_actions
from moai_tui.screens.run_actions import RunActions
from moai_tui.signals import dashboard
from moai_tui.widgets.run_table import RunTable


class RunListScreen(Screen[None]):
    """A screen with one `RunTable` and one `Input` with id `filter`, hidden until `/`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *run_actions.BINDINGS,
        Binding("slash,f3,f4", "filter", "Filter", id="runs.filter", tooltip="Show only some runs"),
        Binding("space", "mark", "Mark", id="runs.mark", tooltip="To compare it with others"),
        Binding("c", "compare", "Compare", id="runs.compare", tooltip="The marked, or this one"),
        Binding("u", "undo_delete", "Undo delete", id="runs.undo", tooltip="What went last"),
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
        self._actions = RunActions(self, lambda: self.table.run_under_cursor)
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

    def action_run(self, what: str) -> None:
        """Do something with the run under the cursor; what could be lost is asked first."""
        self._actions.do(what)

    def action_mark(self) -> None:
        """Mark the run for a comparison, or take its mark away."""
        self.table.toggle_mark()

    def action_compare(self) -> None:
        """Compare the marked runs; with one mark, it and the run under the cursor."""
        from moai_tui.screens.compare import CompareScreen

        chosen = list(self.table.marked)
        here = self.table.run_under_cursor
        if here is not None and len(chosen) < 2 and here.id not in chosen:
            chosen.append(here.id)
        if len(chosen) < 2:
            dashboard(self).say("Mark the runs with space first; c compares two or more.")
            return
        self.app.push_screen(CompareScreen(tuple(chosen)))

    def action_undo_delete(self) -> None:
        """Bring back what went into the trash last."""
        newest = dashboard(self).newest
        if newest.trashed:
            self.post_message(RestoreWanted(newest.trashed))
            newest.trashed = ()
        else:
            dashboard(self).say("Nothing was deleted here.")

    def action_copy_command(self) -> None:
        """Copy the command that shows this run again."""
        run = self.table.run_under_cursor
        if run is not None:
            dashboard(self).copy(f"moai-tui attach {run.id}", "the command that opens this run")
