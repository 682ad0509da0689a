"""Two or more runs side by side: their curves in one chart, and only what differs between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from moai_tui.messages import ReadRun, RunsToCompareRead, RunsToCompareWanted
from moai_tui.signals import dashboard
from moai_tui.widgets.key_line import KeyLine
from moai_tui.widgets.run.compare_table import CompareTable
from moai_tui.widgets.run.curve_plot import ChartData, Overlay
from moai_tui.widgets.run.loss_chart import LossChart
from moai_tui.widgets.run_table import run_title
from moai_tui.widgets.title_line import TitleLine

HINTS = (
    ("left right", "values"),
    ("+ -", "zoom"),
    ("l", "log scale"),
    ("j k", "scroll"),
    ("r", "read again"),
    ("esc", "back"),
    ("?", "help"),
)


class CompareScreen(Screen[None]):
    """Smoothed losses in one chart; below, results and settings that are not the same."""

    DEFAULT_CSS = """
    CompareScreen LossChart { height: 1fr; margin: 0 1; }
    CompareScreen CompareTable { height: 1fr; padding: 0 1; margin: 1 0 0 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="compare.back"),
        Binding("l", "chart('scale')", "Log scale", id="compare.scale"),
        Binding("plus,equals_sign", "chart('in')", "Zoom in", id="compare.zoom_in"),
        Binding("minus", "chart('out')", "Zoom out", id="compare.zoom_out"),
        Binding("0", "chart('whole')", "Whole curves", id="compare.whole"),
        Binding("left", "cursor(-1)", "Values at an earlier step", id="compare.earlier"),
        Binding("right", "cursor(1)", "Values at a later step", id="compare.later"),
        Binding("shift+left", "cursor(-10)", "Ten columns earlier", show=False),
        Binding("shift+right", "cursor(10)", "Ten columns later", show=False),
        Binding("down,j", "scroll(1)", "Down", show=False),
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("pagedown,ctrl+d", "scroll(8)", "Page down", show=False),
        Binding("pageup,ctrl+u", "scroll(-8)", "Page up", show=False),
        Binding("r,f5", "read", "Read again", id="compare.read", tooltip="Runs may go on"),
    ]

    def __init__(self, run_ids: tuple[str, ...]) -> None:
        """Compare runs.

        Args:
            run_ids: Two to six, in the order of their letters.
        """
        super().__init__()
        self._run_ids = run_ids

    def compose(self) -> ComposeResult:
        """Title, chart, table, keys."""
        yield TitleLine(f"{len(self._run_ids)} runs compared", "reading the runs …")
        yield LossChart(name="Smoothed loss", id="chart")
        yield CompareTable(id="table")
        yield KeyLine(HINTS)

    def on_mount(self) -> None:
        """Have the runs read."""
        dashboard(self).compared_signal.subscribe(self, self._read)
        self.action_read()

    def _read(self, message: RunsToCompareRead) -> None:
        if message.wanted != self._run_ids:
            return
        if message.problem is not None:
            dashboard(self).say(message.problem, ok=False)
        self.query_one(TitleLine).show_title(right="")
        self.query_one(LossChart).show(curves_of(message.runs))
        self.query_one(CompareTable).show(message.runs)

    def action_back(self) -> None:
        """Close the screen."""
        dashboard(self).go_back()

    def action_read(self) -> None:
        """Read the runs again."""
        self.post_message(RunsToCompareWanted(self._run_ids))

    def action_chart(self, what: str) -> None:
        """Show the losses in another way: their scale, or fewer or more steps."""
        chart = self.query_one(LossChart)
        if what == "scale":
            chart.logarithmic = not chart.logarithmic
        else:
            chart.zoom_by({"in": 1, "out": -1, "whole": -chart.zoom}[what])

    def action_cursor(self, cells: int) -> None:
        """Move the value cursor of the chart."""
        self.query_one(LossChart).move_cursor(cells)

    def action_scroll(self, rows: int) -> None:
        """Scroll the table."""
        self.query_one(CompareTable).scroll_rows(rows)


def curves_of(runs: Sequence[ReadRun]) -> ChartData:
    """Return the first run's smoothed loss, and the others below it."""
    if not runs:
        return ChartData()
    first, *others = runs
    ends = [read.view.started.total_steps for read in runs if read.view.started is not None]
    overlays = tuple(Overlay(run_title(read.summary), read.view.smoothed_loss) for read in others)
    return ChartData(
        smooth=first.view.smoothed_loss,
        total_steps=max(ends, default=None),
        others=overlays,
        name=run_title(first.summary),
    )
