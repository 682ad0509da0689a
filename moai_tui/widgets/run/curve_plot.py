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
from trainer_core.run.record.curve import Bucket, Curve


@dataclass(frozen=True, slots=True)
class Overlay:
    """Another run's smoothed loss, drawn below this one's."""

    name: str
    """What people call that run; safe to show."""
    curve: Curve


LETTERS = "abcdef"
"""Names of the curves of a chart that has several: the run itself first."""

DASHES = ((1, 1), (6, 4), (4, 1), (8, 6), (3, 2), (10, 3))
"""(period, drawn) in dot columns, a letter each: what tells curves apart without a colour."""


@dataclass(frozen=True, slots=True)
class ChartData:
    """What is drawn of a run."""

    raw: Curve = field(default_factory=Curve)
    smooth: Curve = field(default_factory=Curve)
    evals: tuple[tuple[int, float], ...] = ()
    """(step, loss), rising; finite losses only."""
    marks: tuple[Mark, ...] = ()
    total_steps: int | None = None
    others: tuple[Overlay, ...] = ()
    name: str = ""
    """What people call the run, where its curve is one among equals."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a step and a value lie in dots, x from the left and y from below."""

    width: int
    """Cells."""
    height: int
    axis: Axis
    limit: int
    """Step at the right edge."""
    start: int = 0
    """Step at the left edge."""

    @property
    def last_x(self) -> int:
        """The dot column at the right edge."""
        return DOTS_ACROSS * self.width - 1

    def x(self, step: float) -> int:
        """Return the dot column of a step; one that is not shown lies outside 0 to `last_x`."""
        return round((step - self.start) / (self.limit - self.start) * self.last_x)

    def shows(self, step: float) -> bool:
        """Whether a step lies between the edges."""
        return self.start <= step <= self.limit

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

    def __init__(self, *, line: bool, dash: tuple[int, int] = (1, 1)) -> None:
        """Make an empty layer.

        Args:
            line: Join the means of the buckets; otherwise shade from lowest to highest.
            dash: Of so many dot columns so many are shown.
        """
        self._line = line
        self._period, self._shown = dash
        self._drawn: tuple[Frame, int, int] | None = None
        self._last_key = 0
        self.dots = Dots(0, 0)

    def column(self, x: int) -> int:
        """Return the dots of column x that are shown."""
        return self.dots.columns[x] if x % self._period < self._shown else 0

    def cell_column(self, x: int) -> list[int]:
        """Return the braille bits of one column of cells, from top to bottom."""
        return self.dots.cells(self.column(2 * x), self.column(2 * x + 1))

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
            self.dots.clear_from(max(0, start))
        if self._line:
            self._join([(frame.x(key * curve.span + half), frame.y(bucket.total / bucket.count))
                        for key, bucket in fresh], frame.last_x)  # fmt: skip
        else:
            self._shade(fresh, curve.span, frame)
        self._last_key = fresh[-1][0] if fresh else -1

    def _shade(self, buckets: list[tuple[int, Bucket]], span: int, frame: Frame) -> None:
        for key, bucket in buckets:
            first = max(0, frame.x(key * span))
            last = min(frame.last_x, frame.x(key * span + span - 1))
            if first <= last:
                low, high = frame.y(bucket.low), frame.y(bucket.high)
                for x in range(first, last + 1):
                    self.dots.shade(x, low, high)

    def _join(self, points: list[tuple[int, int]], last: int) -> None:
        if points and 0 <= points[0][0] <= last:
            self.dots.bar(points[0][0], points[0][1], points[0][1])
        for left, right in pairwise(points):
            if right[0] >= 0 and left[0] <= last:
                self.dots.line(*_between(left, right, last))


def _between(left: tuple[int, int], right: tuple[int, int], last: int) -> tuple[int, int, int, int]:
    """Return both ends of a line, cut where it leaves the columns from 0 to `last`."""
    (x0, y0), (x1, y1) = left, right
    steep = (y1 - y0) / (x1 - x0) if x1 > x0 else 0.0
    first, stop = max(0, x0), min(last, x1)
    return first, round(y0 + steep * (first - x0)), stop, round(y0 + steep * (stop - x0))


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
        if key * curve.span + half < frame.start:
            break  # a line comes in from here; what lies before is not shown
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
    """Raw curve, smoothed curve, other runs, eval points, grid and cursor, as lines of cells."""

    def __init__(self) -> None:
        self.frame = Frame(0, 0, Axis(low=0, high=1, ticks=()), 1)
        self.lines: list[Line] = []
        self._raw, self._smooth = Layer(line=False), Layer(line=True)
        self._others: list[Layer] = []
        self._seen: list[tuple[object, ...]] = []
        self._cells: list[list[Piece]] = []

    def draw(self, data: ChartData, frame: Frame, cursor: int | None, signs: Glyphs) -> None:
        """Draw into `lines`; a line without a changed cell stays the same object."""
        if frame != self.frame or len(data.others) != len(self._others):
            self._begin(frame, len(data.others))
        self._raw.draw(data.raw, frame)
        self._smooth.draw(data.smooth, frame)
        for layer, other in zip(self._others, data.others, strict=True):
            layer.draw(other.curve, frame)
        points = _points(data, frame, signs)
        at = None if cursor is None or not frame.shows(cursor) else frame.column(cursor)
        grid = frozenset(frame.row(tick) for tick in frame.axis.ticks)
        layers = self._layers(signs)
        changed: set[int] = set()
        for x in range(frame.width):
            key = (
                *(layer.column(2 * x) for layer, _, _ in layers),
                *(layer.column(2 * x + 1) for layer, _, _ in layers),
                points.get(x),
                x == at,
            )
            if self._seen[x] == key:
                continue
            self._seen[x] = key
            cells = _compose(layers, x, grid, signs)
            if x == at:
                cells = _with_cursor(cells, signs)
            for row, piece in points.get(x, ()):
                cells[row] = piece
            changed.update(y for y, cell in enumerate(cells) if cell != self._cells[x][y])
            self._cells[x] = cells
        for y in changed:
            self.lines[y] = _joined([column[y] for column in self._cells])

    def _begin(self, frame: Frame, others: int) -> None:
        self.frame = frame
        self._others = [Layer(line=True, dash=DASHES[number + 1]) for number in range(others)]
        self._seen = [()] * frame.width
        self._cells = [[("", "")] * frame.height for _ in range(frame.width)]
        self.lines = [()] * frame.height

    def _layers(self, signs: Glyphs) -> list[tuple[Layer, str, str]]:
        """Return (layer, ASCII sign, style), the one on top first."""
        others = [
            (layer, LETTERS[number], f"run-{LETTERS[number]}")
            for number, layer in enumerate(self._others, start=1)
        ]
        return [(self._smooth, signs.smooth, "smooth"), *others, (self._raw, signs.raw, "raw")]


def _points(
    data: ChartData, frame: Frame, signs: Glyphs
) -> dict[int, tuple[tuple[int, Piece], ...]]:
    """Return what stands over the curves, by column: eval points, and letters at their ends."""
    points: dict[int, tuple[tuple[int, Piece], ...]] = {}
    for step, loss in data.evals:
        if frame.shows(step):
            sign = (frame.row(loss), (signs.evaluation, "eval strong"))
            points[frame.column(step)] = (sign,)
    curves = (data.smooth, *(other.curve for other in data.others)) if data.others else ()
    for letter, curve in zip(LETTERS, curves, strict=False):
        end = curve.nearest(min(frame.limit, curve.last_step or 0))
        if end is None:
            continue
        x = min(frame.width - 1, frame.column(min(frame.limit, curve.last_step or 0)))
        if x >= 0:
            sign = (frame.row(end.total / end.count), (letter, f"run-{letter} strong"))
            points[x] = (*points.get(x, ()), sign)
    return points


def _compose(
    layers: Sequence[tuple[Layer, str, str]], x: int, grid: frozenset[int], signs: Glyphs
) -> list[Piece]:
    """Draw one column of cells: of each cell the uppermost layer with a dot in it."""
    columns = [(layer.cell_column(x), sign, style) for layer, sign, style in layers]
    cells: list[Piece] = []
    for y in range(len(columns[0][0])):
        for bits, sign, style in columns:
            if bits[y]:
                cells.append((chr(BRAILLE + bits[y]) if signs.braille else sign, style))
                break
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
