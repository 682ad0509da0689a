"""Picks one run out of all of them, with the list and the filter of the runs page."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from moai_tui.messages import RunsListed, RunsWanted
from moai_tui.signals import dashboard
from moai_tui.widgets.key_line import KeyLine
from moai_tui.widgets.run_table import RunTable

HINTS = (("enter", "draw it"), ("/", "filter"), ("esc", "leave it"))


class PickRunDialog(ModalScreen[str | None]):
    """Closes with the id of the run that enter was pressed on, or with None."""

    DEFAULT_CSS = """
    PickRunDialog { align: center middle; background: $background 60%; }
    PickRunDialog > Vertical {
        width: 90%; height: 80%; border: round $border; background: $surface; padding: 0 1;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "Leave it"),
        Binding("slash", "filter", "Filter", tooltip="Show only some runs"),
    ]

    def __init__(self, *, besides: str) -> None:
        """Make the dialog.

        Args:
            besides: Id of the run that is not offered.
        """
        super().__init__()
        self._besides = besides

    def compose(self) -> ComposeResult:
        """The list, its filter, the keys."""
        with Vertical() as box:
            box.border_title = "a run to draw below this one"
            yield RunTable(empty=[[], [("There is no other run yet.", "muted")]])
            yield Input(placeholder="name, state, model or dataset", id="filter")
            yield KeyLine(HINTS)

    def on_mount(self) -> None:
        """Have the list read."""
        app = dashboard(self)
        app.runs_signal.subscribe(self, self._runs_listed)
        if app.newest.runs is not None:
            self._runs_listed(app.newest.runs)
        self.post_message(RunsWanted(True))
        self.query_one("#filter").display = False
        self.query_one(RunTable).focus()

    def on_unmount(self) -> None:
        """The list is gone: it costs nothing."""
        self.app.post_message(RunsWanted(False))

    def _runs_listed(self, message: RunsListed) -> None:
        runs = tuple(run for run in message.runs if run.id != self._besides and run.step)
        self.query_one(RunTable).show_runs(runs)

    @on(RunTable.Opened)
    def _picked(self, event: RunTable.Opened) -> None:
        event.stop()
        self.dismiss(event.run.id)

    @on(Input.Changed, "#filter")
    def _filter_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.query_one(RunTable).filter_by(event.value)

    @on(Input.Submitted, "#filter")
    def _filter_done(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one(RunTable).focus()

    def action_filter(self) -> None:
        """Type what the runs must contain."""
        self.query_one("#filter").display = True
        self.query_one("#filter").focus()

    def action_leave(self) -> None:
        """Close without a run."""
        self.dismiss(None)
