"""Runs, one a line: state, name, model and data, how far, how well, until when."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, cast

from textual.binding import Binding, BindingType
from textual.message import Message

from moai_tui import formatting
from moai_tui.widgets.cursor_lines import CursorLines
from moai_tui.widgets.lines import Line, Piece, fit
from moai_tui.widgets.run_state import LIVE, state_piece, state_word
from trainer_core.foreign_text import show_line

if TYPE_CHECKING:
    from trainer_core.run.record.summary import RunSummary

NARROW, MEDIUM, WIDE, WIDEST = 74, 110, 140, 232
"""Cells from which model and dataset share a column, have one each, times are told twice, and
what a run took and what was noted of it is told too."""

HEAD_LINES = 2
"""Names of the columns and a rule."""

MARKS = "abcdef"
"""Letters of marked runs, as many as a chart tells apart."""

ID_WIDTH = 24
"""Cells of a generated id, and a little air."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: how wide, what stands in it, what it is sorted by."""

    head: str
    width: int
    """Cells; 0 takes what is left."""
    text: Callable[[RunSummary], str]
    align: Literal["left", "right"] = "left"


class RunTable(CursorLines):
    """A list of runs with a cursor that stays on its run when the list changes.

    Paints only lines that changed; holds no scroll bar. Newest first unless sorted.
    """

    DEFAULT_CSS = """
    RunTable { height: 1fr; padding: 0 1; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open run", id="runs.open", tooltip="See the run live"),
    ]

    @dataclass
    class Opened(Message):
        """The user wants to see this run."""

        table: RunTable
        run: RunSummary

        @property
        def control(self) -> RunTable:
            """The table it happened in."""
            return self.table

    def __init__(self, *, empty: Sequence[Line] = (), id: str | None = None) -> None:
        super().__init__(id=id)
        self._empty = [list(line) for line in empty]
        self._all: tuple[RunSummary, ...] | None = None
        self._shown: list[RunSummary] = []
        self._cursor_id: str | None = None
        self._awaited_id: str | None = None
        self._filter = ""
        self._order: Callable[[RunSummary], object] | None = None
        self._reverse = False
        self._marked: list[str] = []

    @property
    def marked(self) -> tuple[str, ...]:
        """Ids of the marked runs, in the order of their letters."""
        return tuple(self._marked)

    @property
    def run_under_cursor(self) -> RunSummary | None:
        """The run the keys speak of; None while the list is empty."""
        place = self._place()
        return self._shown[place] if place is not None else None

    @property
    def shown(self) -> tuple[RunSummary, ...]:
        """Runs that pass the filter, in the order of the screen."""
        return tuple(self._shown)

    def show_runs(self, runs: tuple[RunSummary, ...]) -> None:
        """Show a new list; lines that say the same are not painted again."""
        self._all = runs
        ids = {run.id for run in runs} if self._marked else set()
        self._marked = [run_id for run_id in self._marked if run_id in ids]
        self._arrange()

    def filter_by(self, text: str) -> None:
        """Keep runs in whose name, id, state, model, data, tags and notes each word occurs."""
        self._filter = text.strip().lower()
        self._arrange()

    def toggle_mark(self) -> None:
        """Mark the run under the cursor, or take its mark away, and go to the next."""
        run = self.run_under_cursor
        if run is None:
            return
        if run.id in self._marked:
            self._marked.remove(run.id)
        elif len(self._marked) < len(MARKS):
            self._marked.append(run.id)
        self.action_move(1)
        self._draw()

    def sort_by(self, order: Callable[[RunSummary], object] | None, *, reverse: bool) -> None:
        """Sort by what `order` returns (unknown values last); None is newest first."""
        self._order, self._reverse = order, reverse
        self._arrange()

    def move_to(self, run_id: str) -> None:
        """Put the cursor on a run, now or as soon as the list has it."""
        self._awaited_id = run_id
        self._arrange()

    def action_open(self) -> None:
        """Tell the screen which run is meant."""
        run = self.run_under_cursor
        if run is not None:
            self.post_message(self.Opened(self, run))

    def _clicked(self, place: int) -> None:
        """Move to the line; a second click on it opens."""
        again = self._shown[place].id == self._cursor_id
        self._go_to(place)
        if again:
            self.action_open()

    def _go_to(self, place: int) -> None:
        self._awaited_id = None
        self._cursor_id = self._shown[place].id
        self._draw()

    def _count(self) -> int:
        return len(self._shown)

    def _head_height(self) -> int:
        return HEAD_LINES

    def _place(self) -> int | None:
        for place, run in enumerate(self._shown):
            if run.id == self._cursor_id:
                return place
        return 0 if self._shown else None

    def _arrange(self) -> None:
        wanted = self._filter.split()
        runs = [run for run in self._all or () if not wanted or _has(run, wanted)]
        if self._order is not None:
            keys = {run.id: self._order(run) for run in runs}
            known = [run for run in runs if keys[run.id] is not None]
            known.sort(key=lambda run: cast("float", keys[run.id]), reverse=self._reverse)
            runs = known + [run for run in runs if keys[run.id] is None]
        self._cursor_id = self._cursor_in(runs)
        self._shown = runs
        self._draw()

    def _cursor_in(self, runs: Sequence[RunSummary]) -> str | None:
        """Return the run the cursor stands on in a new list: its own, else the next still there."""
        ids = {run.id for run in runs}
        if self._awaited_id in ids:
            awaited, self._awaited_id = self._awaited_id, None
            return awaited
        place = self._place()
        if place is not None:
            after, before = self._shown[place:], self._shown[:place]
            for run in (*after, *reversed(before)):
                if run.id in ids:
                    return run.id
        return runs[0].id if runs else None

    def _draw(self) -> None:
        width = self.size.width
        if not width:
            return
        if not self._shown:
            self.show_lines(self._nothing())
            return
        columns = _columns(width)
        place = self._place() or 0
        shown = self._shown[self._shown_from(place)]
        gap = " " * _gap(width)
        lines: list[Line] = [_head(columns, gap), [("─" * width, "faint")]]
        for number, run in enumerate(shown, self._top):
            mark = MARKS[self._marked.index(run.id)] if run.id in self._marked else ""
            here = number == place and self.has_focus
            lines.append(_row(columns, run, gap, mark, under_cursor=here))
        self.show_lines(lines)

    def _nothing(self) -> list[Line]:
        if self._all is None:
            return [[("reading runs …", "muted")]]
        if self._filter and self._all:
            return [[(f"No run matches {self._filter!r}; esc shows all.", "muted")]]
        return [list(line) for line in self._empty]


def _has(run: RunSummary, wanted: Sequence[str]) -> bool:
    words = (run.name or "", run.id, state_word(run), run.model, run.dataset, run.notes)
    text = " ".join((*words, *run.tags)).lower()
    return all(word in text for word in wanted)


def run_title(run: RunSummary) -> str:
    """Return the name people gave, else the generated id; safe to show."""
    return show_line(run.name or run.id, 200)


def _steps(run: RunSummary) -> str:
    if run.step is None and run.state in LIVE:
        return run.phase or formatting.UNKNOWN
    if run.step is None:
        return formatting.UNKNOWN
    return f"{_short(run.step)}/{_short(run.total_steps)}"


def _short(count: int | None) -> str:
    if count is None:
        return formatting.UNKNOWN
    return str(count) if count < 100_000 else formatting.count_text(count)


def _speed(run: RunSummary) -> str:
    speed = run.tokens_per_second
    if speed is None:
        return formatting.UNKNOWN
    return f"{speed:,.0f}" if speed < 100_000 else formatting.count_text(speed)


def _when(run: RunSummary) -> str:
    """While it lives: when it will be over. Afterwards: when it was."""
    if run.state in LIVE:
        left = run.eta_seconds
        return formatting.UNKNOWN if left is None else formatting.clock_text(time.time() + left)
    return formatting.clock_text(_ended(run) if run.created else None)


def _when_long(run: RunSummary) -> str:
    if run.state in LIVE:
        return formatting.eta_text(run.eta_seconds)
    ended = _when(run)
    return ended if ended == formatting.UNKNOWN else f"{ended} ({_when_short(run)})"


def _when_short(run: RunSummary) -> str:
    if run.state in LIVE:
        return _when(run)
    age = formatting.age_text(time.time() - _ended(run) if run.created else None)
    return age if age in ("now", formatting.UNKNOWN) else f"{age} ago"


def _ended(run: RunSummary) -> float:
    return run.created + (run.elapsed_seconds or 0.0)


def _subject(run: RunSummary) -> str:
    return f"{_model(run)} · {_dataset(run)}"


def _size(run: RunSummary) -> str:
    return run.size or formatting.UNKNOWN


def _model(run: RunSummary) -> str:
    return show_line(run.model, 100).rsplit("/", 1)[-1]


def _dataset(run: RunSummary) -> str:
    return show_line(run.dataset, 200).rstrip("/").rsplit("/", 1)[-1]


def _columns(width: int) -> list[Column]:
    """Return the columns with real widths for a table of `width` cells."""
    columns = [column for column in _NARROW if width < MEDIUM]
    columns += [column for column in _MEDIUM if MEDIUM <= width < WIDE]
    columns += [column for column in _WIDE if WIDE <= width < WIDEST]
    columns += [column for column in _WIDEST if width >= WIDEST]
    if width < NARROW:
        columns = [column for column in columns if column.text is not _subject]
    gaps = _gap(width) * (len(columns) - 1)
    left = max(6, width - gaps - sum(column.width for column in columns))
    more = min(14, max(0, left - ID_WIDTH) // 3)  # long names of models and data take their part
    grown = {"Model": more, "Dataset": more}
    left -= sum(grown.get(column.head, 0) for column in columns)
    return [
        Column(
            column.head,
            column.width + grown.get(column.head, 0) if column.width else left,
            column.text,
            column.align,
        )
        for column in columns
    ]


_NARROW = (
    Column("State", 10, state_word),
    Column("Run", 0, run_title),
    Column("Model · dataset", 20, _subject),
    Column("Step", 9, _steps, "right"),
    Column("Loss", 6, lambda run: formatting.loss_text(run.train_loss), "right"),
    Column("Tok/s", 6, _speed, "right"),
    Column("Ends", 7, _when_short, "right"),
)
_MEDIUM = (
    Column("State", 10, state_word),
    Column("Run", 0, run_title),
    Column("Model", 16, _model),
    Column("Dataset", 14, _dataset),
    Column("Size", 13, _size),
    Column("Step", 10, _steps, "right"),
    Column("Loss", 7, lambda run: formatting.loss_text(run.train_loss), "right"),
    Column("Tok/s", 7, _speed, "right"),
    Column("Ends", 7, _when_short, "right"),
)
_WIDE = (
    Column("State", 11, state_word),
    Column("Run", 0, run_title),
    Column("Model", 17, _model),
    Column("Dataset", 17, _dataset),
    Column("Size", 13, _size),
    Column("Step", 13, _steps, "right"),
    Column("Loss", 8, lambda run: formatting.loss_text(run.train_loss), "right"),
    Column("Tok/s", 9, _speed, "right"),
    Column("Ends", 18, _when_long, "right"),
)

_WIDEST = (
    Column("State", 11, state_word),
    Column("Run", 36, run_title),
    *_WIDE[2:7],
    Column("Eval", 8, lambda run: formatting.loss_text(run.eval_loss), "right"),
    _WIDE[7],
    Column("MFU", 7, lambda run: formatting.fraction_text(run.mfu), "right"),
    Column("Peak", 9, lambda run: formatting.bytes_text(run.peak_memory_bytes), "right"),
    Column("Took", 8, lambda run: formatting.duration_text(run.elapsed_seconds), "right"),
    _WIDE[8],
    Column("Tags and notes", 0, lambda run: show_line(" ".join((*run.tags, run.notes)), 200)),
)


def _gap(width: int) -> int:
    return 2 if width >= WIDE else 1


def _head(columns: Sequence[Column], gap: str) -> Line:
    return [(gap.join(fit(column.head, column.width, column.align) for column in columns), "muted")]


def _row(
    columns: Sequence[Column], run: RunSummary, gap: str, mark: str, *, under_cursor: bool
) -> Line:
    text, style = state_piece(run)
    if mark:  # its letter in a comparison takes the place of the symbol; the word stays
        text, style = f"{mark} {text.partition(' ')[2]}", f"run-{mark} strong"
    line: list[Piece] = [(fit(text, columns[0].width), style)]
    left = list(columns[1:])
    while left:
        column = left.pop(0)
        text, width = column.text(run), column.width
        while len(text) > width and left and left[0].text(run) == formatting.UNKNOWN:
            width += len(gap) + left.pop(0).width  # the name of a phase takes empty cells
        look = "" if column.head in ("Run", "Loss") else "muted"
        line.append((gap + _fitted(text, width, column, run), look))
    if under_cursor:
        line = [(piece, f"{look} cursor".strip()) for piece, look in line]
    return line


def _fitted(text: str, width: int, column: Column, run: RunSummary) -> str:
    """Fit a cell; of a generated id the end is kept, where it differs from its neighbours."""
    if column.text is run_title and not run.name and len(text) > width:
        text = f"…{text[1 - width :]}"
    return fit(text, width, column.align)
