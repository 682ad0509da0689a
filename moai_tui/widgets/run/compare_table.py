"""Results of several runs in columns, and only the settings that are not the same in all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.reactive import reactive

from moai_tui.formatting import (
    UNKNOWN,
    bytes_text,
    duration_text,
    fraction_text,
    loss_text,
    rate_text,
    whole_text,
)
from moai_tui.messages import ReadRun
from moai_tui.widgets.glyphs import Glyphs
from moai_tui.widgets.lines import Line, Piece, fit
from moai_tui.widgets.painted import Painted, heading
from moai_tui.widgets.run.curve_plot import LETTERS
from moai_tui.widgets.run_state import state_word
from moai_tui.widgets.run_table import run_title
from trainer_core.foreign_text import show_line
from trainer_core.run.overview.comparison import Speedup, differing_fields, speedups
from trainer_core.run.record.summary import RunSummary

NAME_WIDTH = (18, 28)
COLUMN_WIDTH = (9, 26)

RESULTS: tuple[tuple[str, Callable[[RunSummary], str]], ...] = (
    ("state", state_word),
    ("step", lambda run: f"{whole_text(run.step)}/{whole_text(run.total_steps)}"),
    ("train loss", lambda run: loss_text(run.train_loss)),
    ("eval loss", lambda run: loss_text(run.eval_loss)),
    ("bits per byte", lambda run: UNKNOWN if run.bits_per_byte is None
                                  else f"{run.bits_per_byte:.3f}"),
    ("tokens/s", lambda run: rate_text(run.tokens_per_second).removesuffix(" tokens/s")),
    ("MFU", lambda run: fraction_text(run.mfu)),
    ("peak memory", lambda run: bytes_text(run.peak_memory_bytes)),
    ("elapsed", lambda run: duration_text(run.elapsed_seconds)),
)  # fmt: skip
"""What is told of each run: a name, and the text of its cell."""


class CompareTable(Painted):
    """Rows that scroll; the run that is best in a row is not judged, numbers speak."""

    top: reactive[int] = reactive(0, init=False, repaint=False)
    """First row that is shown below the heads."""

    def __init__(self, *, id: str | None = None, signs: Glyphs | None = None) -> None:
        super().__init__(id=id, signs=signs)
        self._runs: tuple[ReadRun, ...] = ()

    def show(self, runs: Sequence[ReadRun]) -> None:
        """Show these runs, the first one as `a`."""
        self._runs = tuple(runs)
        self.repaint()

    def watch_top(self) -> None:
        """Draw another part."""
        self.repaint()

    def scroll_rows(self, count: int) -> None:
        """Scroll down by `count` rows, up where it is negative."""
        most = max(0, len(self._rows(self.size.width)) - (self.size.height - 1))
        self.top = min(most, max(0, self.top + count))

    def build(self, width: int, height: int) -> Sequence[Line]:
        """Draw the heads, then as many rows as there is room for."""
        if not self._runs:
            return []
        rows = self._rows(width)
        shown = rows[self.top : self.top + height - 1]
        below = len(rows) - self.top - len(shown)
        if below > 0 and shown:
            shown[-1] = ((f"{self._signs.ellipsis} {below + 1} more", "muted"),)
        return [self._heads(width), *shown]

    def _widths(self, width: int) -> tuple[int, int]:
        count = len(self._runs)
        each = min(COLUMN_WIDTH[1], max(COLUMN_WIDTH[0], (width - NAME_WIDTH[0]) // count - 2))
        return max(NAME_WIDTH[0], min(NAME_WIDTH[1], width - count * (each + 2))), each

    def _heads(self, width: int) -> Line:
        name, each = self._widths(width)
        line: list[Piece] = [(" " * name, "")]
        for letter, read in zip(LETTERS, self._runs, strict=False):
            line += [(f"  {letter} ", f"run-{letter} strong")]
            line += [(fit(run_title(read.summary), each - 2), "strong")]
        return line

    def _rows(self, width: int) -> list[Line]:
        name, each = self._widths(width)

        def row(title: str, texts: Sequence[str]) -> Line:
            cells: list[Piece] = [(f"  {fit(show_line(text, 200), each)}", "") for text in texts]
            return ((fit(title, name), "muted"), *cells)

        summaries = [read.summary for read in self._runs]
        rows: list[Line] = [row(title, [told(run) for run in summaries]) for title, told in RESULTS]
        found = speedups([(read.config, read.summary) for read in self._runs])
        rows += [((speedup_text(speedup), "good"),) for speedup in found]
        differing = differing_fields([read.config for read in self._runs])
        count = f"only those that differ: {len(differing)}" if differing else "the same in all"
        rows += [(), heading("Settings", ((count, "muted"),), width, self._signs.rule)]
        rows += [row(field, texts) for field, texts in differing]
        return rows


def speedup_text(speedup: Speedup) -> str:
    """Say what more devices brought, in all and for each of them."""
    fast, slow = LETTERS[speedup.fast], LETTERS[speedup.slow]
    return (
        f"{fast} is {speedup.factor:.2f} times as fast as {slow}, on {speedup.fast_devices} "
        f"devices, not {speedup.slow_devices}: {100 * speedup.efficiency:.0f}% efficient each"
    )
