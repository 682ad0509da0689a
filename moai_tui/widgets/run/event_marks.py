"""What happened at which step: checkpoints, warnings and resumes, as marks on the axis."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from moai_tui.widgets.glyphs import Glyphs
from moai_tui.widgets.lines import Line, Piece
from trainer_core.run.record.view import Mark

__all__ = ["Mark", "mark_row"]

RANKS = {"checkpoint": 0, "resumed": 1, "warning": 2, "error": 3}
"""Of two marks in one column the graver is shown."""


def mark_row(
    marks: Iterable[Mark], column_of: Callable[[float], int], width: int, signs: Glyphs
) -> Line:
    """Draw the axis of steps with its marks.

    Args:
        marks: In any order.
        column_of: From a step to its column, 0 to `width` - 1.
        width: Cells of the axis.
        signs: What to draw with.
    """
    shown: dict[int, str] = {}
    for mark in sorted(marks, key=lambda mark: RANKS[mark.kind]):
        shown[min(width - 1, column_of(mark.step))] = mark.kind
    signs_of = {
        "checkpoint": (signs.checkpoint, "accent"),
        "resumed": (signs.resumed, "title"),
        "warning": (signs.warning, "warn"),
        "error": (signs.warning, "bad"),
    }
    row: list[Piece] = []
    start = 0
    for column in sorted(shown):
        row += [(signs.rule * (column - start), "faint"), signs_of[shown[column]]]
        start = column + 1
    return (*row, (signs.rule * (width - start), "faint"))
