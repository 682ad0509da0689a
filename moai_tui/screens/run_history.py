"""Every run on this machine, sortable."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from moai_tui import formatting
from moai_tui.messages import RunsListed
from moai_tui.screens.run_list_screen import RunListScreen
from moai_tui.widgets.key_line import KeyLine
from moai_tui.widgets.run_state import state_word
from moai_tui.widgets.run_table import RunTable
from moai_tui.widgets.title_line import TitleLine

if TYPE_CHECKING:
    from trainer_core.run.record.summary import RunSummary

ORDERS: tuple[tuple[str, Callable[[RunSummary], object] | None, bool], ...] = (
    ("newest first", None, False),
    ("by state", state_word, False),
    ("by name", lambda run: (run.name or run.id).lower(), False),
    ("by model", lambda run: run.model.lower(), False),
    ("lowest eval loss first", lambda run: formatting.number_of(run.eval_loss), False),
    ("fastest first", lambda run: run.tokens_per_second, True),
)
"""What `o` goes through: name, what is compared, whether the largest comes first."""

HINTS = (
    ("enter", "open"),
    ("/", "filter"),
    ("o", "order"),
    ("space", "mark"),
    ("c", "compare"),
    ("f", "run like this"),
    ("esc", "back"),
    ("?", "help"),
    ("R", "resume"),
    ("s", "stop"),
    ("t", "name, notes"),
    ("D", "delete"),
    ("y", "copy command"),
)


class RunHistoryScreen(RunListScreen):
    """The runs page."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o,f6", "next_order", "Order", id="runs.order", tooltip="Sort by something else"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._order = 0

    def compose(self) -> ComposeResult:
        """Build the list between title and keys."""
        yield TitleLine("runs", ORDERS[0][0])
        yield RunTable(
            empty=[[], [("No runs yet. Press ", ""), ("n", "key"), (" for a new run.", "")]]
        )
        yield Input(placeholder="name, state, model or dataset", id="filter")
        yield KeyLine(HINTS)

    def show_list(self, message: RunsListed) -> None:
        """Show the newest list, and how many there are."""
        super().show_list(message)
        self.query_one(TitleLine).show_title(place=f"runs ({len(message.runs)})")

    def action_next_order(self) -> None:
        """Sort by the next thing."""
        self._order = (self._order + 1) % len(ORDERS)
        name, order, reverse = ORDERS[self._order]
        self.table.sort_by(order, reverse=reverse)
        self.query_one(TitleLine).show_title(right=name)
