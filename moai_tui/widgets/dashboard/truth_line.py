"""All there is to say where there is no room: one line about the run and the devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.events import Resize

from moai_tui import formatting
from moai_tui.widgets.lines import Lines, Piece, fit, line_width
from moai_tui.widgets.run_state import LIVE, state_piece
from moai_tui.widgets.run_table import run_title

if TYPE_CHECKING:
    from trainer_core.accelerators.base import DeviceSnapshot
    from trainer_core.run.record.summary import RunSummary


class TruthLine(Lines):
    """`● running  step 12/400  loss 2.31  my run`; shown on screens below 60×16 only."""

    DEFAULT_CSS = """
    TruthLine { height: 1; display: none; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._runs: Sequence[RunSummary] = ()
        self._devices = 0

    def show_runs(self, runs: Sequence[RunSummary]) -> None:
        """Take the newest list."""
        self._runs = runs
        self._draw()

    def show_devices(self, devices: Sequence[DeviceSnapshot]) -> None:
        """Take the newest reading."""
        self._devices = len(devices)
        self._draw()

    def on_resize(self, event: Resize) -> None:
        """Fit again."""
        self._draw()

    def _draw(self) -> None:
        living = [run for run in self._runs if run.state in LIVE]
        line: list[Piece] = []
        for run in living[:1] or self._runs[:1]:
            line.append(state_piece(run))
            if run.step is not None:
                line.append((f"  {run.step}/{run.total_steps or formatting.UNKNOWN}", ""))
            line.append((f"  {formatting.loss_text(run.train_loss)}", "strong"))
            line.append((f"  {run_title(run)}", "muted"))
        if not line:
            word = "device" if self._devices == 1 else "devices"
            line = [(f"No run; {self._devices} {word}. n starts one, q quits.", "")]
        cut = fit("".join(text for text, _ in line), self.size.width)
        self.show_lines([line if line_width(line) <= self.size.width else [(cut, "")]])
