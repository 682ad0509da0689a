"""The cells inside the axes of a chart, computed anew only where the curves grew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from moai_tui.widgets.glyphs import Glyphs
from moai_tui.widgets.lines import Line, Piece
from moai_tui.widgets.run.axis import Axis
from moai_tui.widgets.run.braille import BRAILLE, DOTS_ACROSS, DOTS_DOWN, Dots
from moai_tui.widgets.run.event_marks import Mark
from trainer_core.run.curve import Bucket, Curve


@dataclass(frozen=True, slots=True)
class ChartData:
    """What is drawn of a run."""

    raw: Curve = field(default_factory=Curve)
    smooth: Curve = field(default_factory=Curve)
    evals: tuple[tuple[int, float], ...] = ()
    """(step, loss), rising; finite losses only."""
    marks: tuple[Mark, ...] = ()
    total_steps: int | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a step and a value lie in dots, x from the left and y from below."""

    width: int
    """Cells."""
    height: int
    axis: Axis
    limit: int
    """Step at the right edge; the left edge is step 0."""

    def x(self, step: float) -> int:
        """Return the dot column of a step."""
        last = DOTS_ACROSS * self.width - 1
        return min(last, max(0, round(step / self.limit * last)))

    def y(self, value: float) -> int:
        """Return the dot row of a value."""
        return round(self.axis.place(value) * (DOTS_DOWN * self.height - 1))

    def column(self, step: float) -> int:
        """Return the cell column of a step."""
        return self.x(step) // DOTS_ACROSS

    def row(self, value: float) -> int:
        """Return the cell row of a value, from the top."""
        return self.height - 1 - self.y(value) // DOTS_DOWN


class Layer:
    """The dots of one curve; while it only grows, its old dots stay."""

    def __init__(self, *, line: bool) -> None:
        """Make an empty layer.

        Args:
            line: Join the means of the buckets; otherwise shade from lowest to highest.
        """
        self._line = line
        self._drawn: tuple[Frame, int, int] | None = None
        self._last_key = 0
        self.dots = Dots(0, 0)

    def draw(self, curve: Curve, frame: Frame) -> None:
        """Draw what is new since the last time; everything when the frame or the past changed."""
        state = (frame, curve.span, curve.generation)
        half = (curve.span - 1) / 2
        if state != self._drawn:
            self._drawn, self._last_key = state, -1
            self.dots = Dots(frame.width, frame.height)
        fresh = since(curve, self._last_key, frame)
        if self._last_key >= 0 and len(fresh) > 1:
            start = frame.x(fresh[1][0] * curve.span + half)
            self.dots.clear_from(start)
        if self._line:
            self._join([(frame.x(key * curve.span + half), frame.y(bucket.total / bucket.count))
                        for key, bucket in fresh])  # fmt: skip
        else:
            self._shade(fresh, curve.span, frame)
        self._last_key = fresh[-1][0] if fresh else -1

    def _shade(self, buckets: list[tuple[int, Bucket]], span: int, frame: Frame) -> None:
        for key, bucket in buckets:
            low, high = frame.y(bucket.low), frame.y(bucket.high)
            first, last = frame.x(key * span), frame.x(key * span + span - 1)
            for x in range(first, last + 1):
                self.dots.shade(x, low, high)

    def _join(self, points: list[tuple[int, int]]) -> None:
        if points:
            self.dots.bar(points[0][0], points[0][1], points[0][1])
        for (x0, y0), (x1, y1) in pairwise(points):
            self.dots.line(x0, y0, x1, y1)


def since(curve: Curve, last_key: int, frame: Frame) -> list[tuple[int, Bucket]]:
    """Return the buckets to draw again, rising.

    The first one lies left of every dot that may have changed: a line starts there. A bucket
    before the last drawn one is complete; those that share its dot column are drawn with it.
    """
    half = (curve.span - 1) / 2
    fresh: list[tuple[int, Bucket]] = []
    edge: int | None = None
    for key in reversed(curve.buckets):  # keys stand in rising order
        fresh.append((key, curve.buckets[key]))
        if last_key < 0 or key >= last_key:
            continue
        x = frame.x(key * curve.span + half)
        if edge is None:
            edge = x
        elif x < edge:
            # the dot column of `edge` may hold several buckets: the lowest of them is second
            break
    fresh.reverse()
    return fresh


class Plot:
    """Raw curve, smoothed curve, eval points, grid and cursor, as lines of cells."""

    def __init__(self) -> None:
        self.frame = Frame(0, 0, Axis(low=0, high=1, ticks=()), 1)
        self.lines: list[Line] = []
        self._raw, self._smooth = Layer(line=False), Layer(line=True)
        self._seen: list[tuple[object, ...]] = []
        self._cells: list[list[Piece]] = []

    def draw(self, data: ChartData, frame: Frame, cursor: int | None, signs: Glyphs) -> None:
        """Draw into `lines`; a line without a changed cell stays the same object."""
        if frame != self.frame:
            self.frame = frame
            self._seen = [()] * frame.width
            self._cells = [[("", "")] * frame.height for _ in range(frame.width)]
            self.lines = [()] * frame.height
        self._raw.draw(data.raw, frame)
        self._smooth.draw(data.smooth, frame)
        points = {frame.column(step): frame.row(loss) for step, loss in data.evals}
        at = None if cursor is None else frame.column(cursor)
        grid = frozenset(frame.row(tick) for tick in frame.axis.ticks)
        layers = (self._raw.dots, self._smooth.dots)
        changed: set[int] = set()
        for x in range(frame.width):
            left, right = 2 * x, 2 * x + 1
            key = (
                *(layer.columns[left] for layer in layers),
                *(layer.columns[right] for layer in layers),
                points.get(x),
                x == at,
            )
            if self._seen[x] == key:
                continue
            self._seen[x] = key
            cells = _compose(layers, x, grid, signs)
            if x == at:
                cells = _with_cursor(cells, signs)
            if x in points:
                cells[points[x]] = (signs.evaluation, "eval strong")
            changed.update(y for y, cell in enumerate(cells) if cell != self._cells[x][y])
            self._cells[x] = cells
        for y in changed:
            self.lines[y] = _joined([column[y] for column in self._cells])


def _compose(layers: tuple[Dots, Dots], x: int, grid: frozenset[int], signs: Glyphs) -> list[Piece]:
    """Draw one column of cells, the smoothed curve over the raw dots."""
    raw, smooth = (layer.cell_column(x) for layer in layers)
    cells: list[Piece] = []
    for y, (dim, bright) in enumerate(zip(raw, smooth, strict=True)):
        if bright:
            cells.append((chr(BRAILLE + bright) if signs.braille else signs.smooth, "smooth"))
        elif dim:
            cells.append((chr(BRAILLE + dim) if signs.braille else signs.raw, "raw"))
        else:
            cells.append((signs.grid, "faint") if y in grid else (" ", ""))
    return cells


def _with_cursor(cells: list[Piece], signs: Glyphs) -> list[Piece]:
    return [
        (signs.vertical, "accent") if style in {"", "faint"} else (text, style)
        for text, style in cells
    ]


def _joined(cells: Sequence[Piece]) -> Line:
    """Make one line of cells, neighbours of one style together."""
    line: list[Piece] = []
    text, current = "", ""
    for character, style in cells:
        if style != current:
            if text:
                line.append((text, current))
            text, current = "", style
        text += character
    return (*line, (text, current))
