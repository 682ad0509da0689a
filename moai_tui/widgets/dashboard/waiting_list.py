"""Runs that wait for devices: everybody's, first served first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from moai_tui import formatting
from moai_tui.widgets.dashboard.cursor_list import CursorList
from moai_tui.widgets.lines import Line, Piece, fit, line_width
from trainer_core.foreign_text import show_line

if TYPE_CHECKING:
    from trainer_core.accelerators.waiting_runs import WaitingRun

HEADS = ("Place", "User", "Needs", "Starts")
WIDTHS = (6, 10, 11, 16)


class WaitingList(CursorList):
    """One line a waiting run; hidden where nobody waits."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._runs: dict[str, WaitingRun] = {}

    @property
    def run_under_cursor(self) -> WaitingRun | None:
        """The waiting run the keys speak of; None where nobody waits."""
        return self._runs.get(self.cursor or "")

    def show_waiting(self, runs: Sequence[WaitingRun], own_runs: Mapping[str, str]) -> None:
        """Show the line; `own_runs` has the titles of this user's runs by id."""
        self._refit = partial(self.show_waiting, runs, own_runs)
        width = self.size.width
        self._runs = {run.run_id: run for run in runs}
        heads = "  ".join(fit(head, cells) for head, cells in zip(HEADS, WIDTHS, strict=True))
        head: Line = [(fit(f"{heads}  Run", width), "muted")]
        self.show_entries(
            [head], [(run.run_id, waiting_line(run, own_runs, width)) for run in runs]
        )


def waiting_line(run: WaitingRun, own_runs: Mapping[str, str], width: int) -> Line:
    """Return one run: its place, whose it is, what it needs, when it may start, its name."""
    mine = run.run_id in own_runs
    start = run.expected_start
    cells = (
        str(run.place),
        "you" if mine else show_line(run.user or formatting.UNKNOWN, 40),
        f"{run.devices} device{'' if run.devices == 1 else 's'}",
        formatting.UNKNOWN if start is None else f"about {formatting.clock_text(start)}",
    )
    style = "good" if mine else ""
    line: list[Piece] = [
        (fit(text, cell) + "  ", style) for text, cell in zip(cells, WIDTHS, strict=True)
    ]
    title = show_line(own_runs.get(run.run_id, run.run_id), 200)
    return [*line, (fit(title, max(0, width - line_width(line))), "muted")]
