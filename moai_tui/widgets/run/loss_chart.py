"""Train and eval loss over steps: raw as dim dots, smoothed as a line, eval as `o`."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from moai_tui.formatting import loss_text
from moai_tui.widgets.glyphs import Glyphs
from moai_tui.widgets.lines import Line, Piece, line_width
from moai_tui.widgets.painted import Painted, cut, heading
from moai_tui.widgets.run.axis import Axis, axis_for, step_limit, tick_labels
from moai_tui.widgets.run.curve_plot import LETTERS, ChartData, Frame, Plot
from moai_tui.widgets.run.event_marks import mark_row
from trainer_core.run.record.curve import Bucket

FRAME_ROWS = 3
"""Rows that are not plot: heading, axis, labels."""

SMALLEST = (24, FRAME_ROWS + 2)
"""Cells below which only the heading is drawn."""

CELLS_PER_LABEL = 16

LEAST_WINDOW = 16
"""Steps of the narrowest part that can be zoomed into."""

NAME_CELLS = 18
"""Most cells of a run's name in the legend."""


class LossChart(Painted):
    """The curve a user came to see; told by shape as well as by colour.

    Its limits are rounded outwards and its right end moves rarely, so a new step changes the
    newest column and nothing else.
    """

    logarithmic: reactive[bool] = reactive(False, init=False, repaint=False)
    """Whether equal ratios get equal height."""

    cursor_step: reactive[int | None] = reactive(None, init=False, repaint=False)
    """Step whose values are read out; None shows the legend instead."""

    zoom: reactive[int] = reactive(0, init=False, repaint=False)
    """How often the steps shown were halved; 0 shows all."""

    def __init__(
        self, *, name: str = "Loss", id: str | None = None, signs: Glyphs | None = None
    ) -> None:
        """Make an empty chart.

        Args:
            name: Its title.
            id: Name in the screen.
            signs: What to draw with; None takes what the terminal can show.
        """
        super().__init__(id=id, signs=signs)
        self._title = name
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

    def watch_zoom(self) -> None:
        """Draw another part."""
        self.repaint()

    def zoom_by(self, halvings: int) -> None:
        """Show half as many steps, or twice as many where negative, around cursor or newest."""
        most = max(0, (self._limit // LEAST_WINDOW).bit_length() - 1)
        self.zoom = min(most, max(0, self.zoom + halvings))

    def move_cursor(self, cells: int) -> None:
        """Move the value cursor by cells; moved past the newest step it goes away again."""
        last = self._last_step
        if not last:
            return
        start, limit = self._window()
        per_cell = max(1, round((limit - start) / max(1, self._plot.frame.width)))
        if self.cursor_step is None:
            self.cursor_step = last if cells < 0 else None
            return
        step = self.cursor_step + cells * per_cell
        self.cursor_step = None if step > last else max(0, step)

    def build(self, width: int, height: int) -> Sequence[Line]:
        """Draw heading, plot and axes."""
        if width < SMALLEST[0] or height < SMALLEST[1]:
            return [self._heading(width)]
        start, limit = self._window()
        axis = self._axis(height - FRAME_ROWS, start, limit)
        if axis is None:
            return [self._heading(width), (), (("  The curve starts with step 1.", "muted"),)]
        labels = tick_labels(axis.ticks)
        gutter = max(len(label) for label in labels) + 2
        frame = Frame(width - gutter, height - FRAME_ROWS, axis, limit, start)
        self._plot.draw(self._data, frame, self.cursor_step, self._signs)
        ticks = {frame.row(tick): label for tick, label in zip(axis.ticks, labels, strict=True)}
        drawn: list[Line] = [self._heading(width)]
        for y, line in enumerate(self._plot.lines):
            label = ticks.get(y)
            edge = self._signs.vertical if label is None else self._signs.tick_left
            drawn.append((((label or "").rjust(gutter - 1), "muted"), (edge, "faint"), *line))
        return [*drawn, *self._below(gutter, frame)]

    @property
    def _last_step(self) -> int:
        data = self._data
        ends = (
            [other.curve.last_step or 0 for other in data.others]
            if data.raw.last_step is None
            else []
        )
        return max([data.raw.last_step or 0, data.smooth.last_step or 0,
                    data.evals[-1][0] if data.evals else 0, *ends])  # fmt: skip

    @property
    def _limit(self) -> int:
        return step_limit(self._last_step, self._data.total_steps)

    def _window(self) -> tuple[int, int]:
        """Return the first and last step shown.

        Zoomed in, the window moves by half its width, so that it moves rarely: the cursor, or
        the newest step, stands in its second half.
        """
        limit = self._limit
        window = limit >> self.zoom
        if self.zoom == 0 or window < 2:
            return 0, limit
        at = self._last_step if self.cursor_step is None else self.cursor_step
        start = min(limit - window, max(0, at // (window // 2) - 1) * (window // 2))
        return start, start + window

    def _axis(self, rows: int, start: int, limit: int) -> Axis | None:
        data = self._data
        values: list[float] = []
        if data.raw:
            values += [part for bucket in data.raw.within(start, limit)
                       for part in (bucket.low, bucket.high)]  # fmt: skip
        for curve in (data.smooth, *(other.curve for other in data.others)):
            values += [bucket.total / bucket.count for bucket in curve.within(start, limit)]
        values += [loss for step, loss in data.evals if start <= step <= limit]
        if not values:
            return None
        ticks = max(3, rows // 4)
        return axis_for(min(values), max(values), ticks=ticks, logarithmic=self.logarithmic)

    def _heading(self, width: int) -> Line:
        title = f"{self._title} (log)" if self.logarithmic else self._title
        title += f" {2**self.zoom}×" if self.zoom else ""
        reading = self.cursor_step is not None
        right = self._legend() if self.cursor_step is None else self._readout(self.cursor_step)
        while line_width(right) > width - len(title) - 2 and right:
            right = right[:-1] if reading else right[2:]  # a narrow chart explains less
        return heading(title, right, width, self._signs.rule)

    def _legend(self) -> tuple[Piece, ...]:
        signs = self._signs
        entries = (
            (signs.checkpoint, "accent", "checkpoint", bool(self._data.marks)),
            (signs.raw, "raw", "train", bool(self._data.raw)),
            (LETTERS[0], "run-a strong", cut(self._data.name, NAME_CELLS), bool(self._data.name)),
            (
                signs.smooth * 2,
                "smooth",
                "smoothed",
                bool(self._data.smooth and not self._data.name),
            ),
            (signs.evaluation, "eval strong", "eval", bool(self._data.evals)),
            *(
                (letter, f"run-{letter} strong", cut(other.name, NAME_CELLS), True)
                for letter, other in zip(LETTERS[1:], self._data.others, strict=False)
            ),
        )
        pieces: list[Piece] = []
        for sign, style, word, wanted in entries:
            if wanted:
                pieces += [(sign, style), (f" {word}   ", "muted")]
        return (*pieces[:-1], (pieces[-1][0].rstrip(), "muted")) if pieces else ()

    def _readout(self, step: int) -> tuple[Piece, ...]:
        data = self._data
        raw, smooth = data.raw.nearest(step), data.smooth.nearest(step)
        evals = [(at, loss) for at, loss in data.evals if at <= step]
        pieces: list[Piece] = [("step ", "muted"), (f"{step:,}", "strong")]
        if raw is not None:
            pieces += [("  train ", "muted"), (_value(raw), "train")]
        if smooth is not None:
            mean = loss_text(smooth.total / smooth.count)
            name = ("  a ", "run-a strong") if data.name else ("  smoothed ", "muted")
            pieces += [name, (mean, "smooth")]
        if evals:
            at, loss = evals[-1]
            place = "" if at == step else f" at {at:,}"
            pieces += [("  eval ", "muted"), (loss_text(loss), "eval"), (place, "muted")]
        for letter, other in zip(LETTERS[1:], data.others, strict=False):
            if (found := other.curve.nearest(step)) is not None:
                mean = loss_text(found.total / found.count)
                pieces += [(f"  {letter} ", f"run-{letter} strong"), (mean, f"run-{letter}")]
        return tuple(pieces)

    def _below(self, gutter: int, frame: Frame) -> list[Line]:
        marks = [mark for mark in self._data.marks if frame.shows(mark.step)]
        axis = mark_row(marks, frame.column, frame.width, self._signs)
        labels, end = [" "] * (gutter + frame.width), 0
        ticks = axis_for(frame.start, frame.limit, ticks=max(2, frame.width // CELLS_PER_LABEL))
        for tick in ticks.ticks:
            if tick < frame.start:
                continue
            text = f"{tick:,.0f}" if tick else "0 steps"
            middle = gutter + frame.column(tick)
            at = min(gutter + frame.width - len(text), middle - len(text) // 2)
            at = gutter if tick == frame.start else at
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
