"""Train and eval loss over steps: raw as dim dots, smoothed as a line, eval as `o`."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from moai_tui.formatting import loss_text
from moai_tui.widgets.glyphs import Glyphs
from moai_tui.widgets.lines import Line, Piece, line_width
from moai_tui.widgets.painted import Painted, heading
from moai_tui.widgets.run.axis import Axis, axis_for, step_limit, tick_labels
from moai_tui.widgets.run.curve_plot import ChartData, Frame, Plot
from moai_tui.widgets.run.event_marks import mark_row
from trainer_core.run.curve import Bucket

FRAME_ROWS = 3
"""Rows that are not plot: heading, axis, labels."""

SMALLEST = (24, FRAME_ROWS + 2)
"""Cells below which only the heading is drawn."""

CELLS_PER_LABEL = 16


class LossChart(Painted):
    """The curve a user came to see; told by shape as well as by colour.

    Its limits are rounded outwards and its right end moves rarely, so a new step changes the
    newest column and nothing else.
    """

    logarithmic: reactive[bool] = reactive(False, init=False, repaint=False)
    """Whether equal ratios get equal height."""

    cursor_step: reactive[int | None] = reactive(None, init=False, repaint=False)
    """Step whose values are read out; None shows the legend instead."""

    def __init__(self, *, id: str | None = None, signs: Glyphs | None = None) -> None:
        super().__init__(id=id, signs=signs)
        self._data = ChartData()
        self._plot = Plot()

    def show(self, data: ChartData) -> None:
        """Draw these curves."""
        self._data = data
        self.repaint()

    def watch_logarithmic(self) -> None:
        """Draw with the other scale."""
        self.repaint()

    def watch_cursor_step(self) -> None:
        """Draw the cursor at its new place."""
        self.repaint()

    def move_cursor(self, cells: int) -> None:
        """Move the value cursor by cells; moved past the newest step it goes away again."""
        last = self._data.raw.last_step
        if last is None:
            return
        per_cell = max(1, round(self._limit / max(1, self._plot.frame.width)))
        if self.cursor_step is None:
            self.cursor_step = last if cells < 0 else None
            return
        step = self.cursor_step + cells * per_cell
        self.cursor_step = None if step > last else max(0, step)

    def build(self, width: int, height: int) -> Sequence[Line]:
        """Draw heading, plot and axes."""
        if width < SMALLEST[0] or height < SMALLEST[1]:
            return [self._heading(width)]
        axis = self._axis(height - FRAME_ROWS)
        if axis is None:
            return [self._heading(width), (), (("  The curve starts with step 1.", "muted"),)]
        labels = tick_labels(axis.ticks)
        gutter = max(len(label) for label in labels) + 2
        frame = Frame(width - gutter, height - FRAME_ROWS, axis, self._limit)
        self._plot.draw(self._data, frame, self.cursor_step, self._signs)
        ticks = {frame.row(tick): label for tick, label in zip(axis.ticks, labels, strict=True)}
        drawn: list[Line] = [self._heading(width)]
        for y, line in enumerate(self._plot.lines):
            label = ticks.get(y)
            edge = self._signs.vertical if label is None else self._signs.tick_left
            drawn.append((((label or "").rjust(gutter - 1), "muted"), (edge, "faint"), *line))
        return [*drawn, *self._below(gutter, frame)]

    @property
    def _limit(self) -> int:
        data = self._data
        last = max(data.raw.last_step or 0, data.evals[-1][0] if data.evals else 0)
        return step_limit(last, data.total_steps)

    def _axis(self, rows: int) -> Axis | None:
        buckets = self._data.raw.buckets.values()
        values = [bucket.low for bucket in buckets]
        values += [bucket.high for bucket in buckets]
        values += [loss for _, loss in self._data.evals]
        if not values:
            return None
        ticks = max(3, rows // 4)
        return axis_for(min(values), max(values), ticks=ticks, logarithmic=self.logarithmic)

    def _heading(self, width: int) -> Line:
        title = "Loss (log)" if self.logarithmic else "Loss"
        reading = self.cursor_step is not None
        right = self._legend() if self.cursor_step is None else self._readout(self.cursor_step)
        while line_width(right) > width - len(title) - 2 and right:
            right = right[:-1] if reading else right[2:]  # a narrow chart explains less
        return heading(title, right, width, self._signs.rule)

    def _legend(self) -> tuple[Piece, ...]:
        signs = self._signs
        entries = (
            (signs.checkpoint, "accent", "checkpoint", bool(self._data.marks)),
            (signs.raw, "raw", "train", True),
            (signs.smooth * 2, "smooth", "smoothed", True),
            (signs.evaluation, "eval strong", "eval", True),
        )
        pieces: list[Piece] = []
        for sign, style, word, wanted in entries:
            if wanted:
                pieces += [(sign, style), (f" {word}   ", "muted")]
        return (*pieces[:-1], (pieces[-1][0].rstrip(), "muted"))

    def _readout(self, step: int) -> tuple[Piece, ...]:
        data = self._data
        raw, smooth = data.raw.nearest(step), data.smooth.nearest(step)
        evals = [(at, loss) for at, loss in data.evals if at <= step]
        pieces: list[Piece] = [("step ", "muted"), (f"{step:,}", "strong")]
        if raw is not None:
            pieces += [("  train ", "muted"), (_value(raw), "train")]
        if smooth is not None:
            mean = loss_text(smooth.total / smooth.count)
            pieces += [("  smoothed ", "muted"), (mean, "smooth")]
        if evals:
            at, loss = evals[-1]
            place = "" if at == step else f" at {at:,}"
            pieces += [("  eval ", "muted"), (loss_text(loss), "eval"), (place, "muted")]
        return tuple(pieces)

    def _below(self, gutter: int, frame: Frame) -> list[Line]:
        axis = mark_row(self._data.marks, frame.column, frame.width, self._signs)
        labels, end = [" "] * (gutter + frame.width), 0
        for tick in axis_for(0, frame.limit, ticks=max(2, frame.width // CELLS_PER_LABEL)).ticks:
            text = f"{tick:,.0f}" if tick else "0 steps"
            middle = gutter + frame.column(tick)
            at = min(gutter + frame.width - len(text), middle - len(text) // 2)
            at = gutter if tick == 0 else at
            if at >= end and tick <= frame.limit and tick.is_integer():
                labels[at : at + len(text)] = text
                end = at + len(text) + 2
        corner = ((" " * (gutter - 1), ""), (self._signs.corner, "faint"))
        return [(*corner, *axis), (("".join(labels), "muted"),)]


def _value(bucket: Bucket) -> str:
    """One value, or the range of the steps that share a column."""
    if bucket.count == 1:
        return loss_text(bucket.last)
    return f"{loss_text(bucket.low)}–{loss_text(bucket.high)}"
