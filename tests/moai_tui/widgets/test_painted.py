"""Only what changed is drawn again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from textual.geometry import Region

from moai_tui.widgets.lines import Line
from moai_tui.widgets.painted import Painted, changed_cells, cut, heading, spread
from tests.moai_tui.widget_app import WidgetApp, text_of


class Counter(Painted):
    """Shows a number and remembers what it asked to be drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.value, self.built = 0, 0
        self.drawn: list[Region] = []
        self.asked = 0

    def build(self, width: int, height: int) -> Sequence[Line]:
        self.built += 1
        return [[("value ", "muted"), (f"{self.value:>6}", "strong")], [("still", "")]]

    def refresh(self, *regions: Region, **options: bool) -> Counter:
        self.drawn += regions
        self.asked += 1
        return super().refresh(*regions, **options)


async def test_one_changed_figure_draws_one_cell() -> None:
    widget = Counter()
    async with WidgetApp(widget).run_test(size=(40, 5)) as pilot:
        widget.drawn.clear()
        widget.value = 7
        widget.repaint()
        await pilot.pause()
        assert widget.drawn == [Region(11, 0, 1, 1)]
        assert "value      7" in widget.render_line(0).text
        assert widget.render_line(1) is widget.render_line(1)


async def test_the_same_lines_draw_nothing() -> None:
    widget = Counter()
    async with WidgetApp(widget).run_test(size=(40, 5)):
        widget.drawn.clear()
        widget.repaint()
        assert widget.drawn == []


async def test_the_same_cells_in_other_pieces_draw_nothing() -> None:
    widget = Counter()
    async with WidgetApp(widget).run_test(size=(40, 5)):
        widget.asked = 0
        widget.show_lines([[("val", "muted"), ("ue ", "muted"), (f"{0:>6}", "strong")],
                           [("still", "")]])  # fmt: skip
        assert widget.asked == 0


async def test_a_hidden_widget_builds_nothing_and_catches_up_when_shown() -> None:
    widget = Counter()
    async with WidgetApp(widget).run_test(size=(40, 5)) as pilot:
        widget.display = False
        await pilot.pause()
        built = widget.built
        widget.value = 9
        widget.repaint()
        assert widget.built == built
        widget.display = True
        await pilot.pause()
        assert "9" in widget.plain


async def test_markup_and_brackets_are_text() -> None:
    widget = Painted()
    async with WidgetApp(widget).run_test(size=(40, 3)) as pilot:
        widget.show_lines([[("[bold]no[/bold] [link=x]", "")]])
        await pilot.pause()
        assert widget.render_line(0).text.startswith("[bold]no[/bold] [link=x]")


@pytest.mark.parametrize(
    ("old", "new", "cells"),
    [
        ([("abc", "")], [("abc", "")], (0, 0)),
        ([("abc", "")], [("axc", "")], (1, 2)),
        ([("abc", "")], [("abc", "strong")], (0, 3)),
        ([("abc", "")], [("ab", "")], (2, 3)),
        ([("日本", "")], [("日木", "")], (2, 3)),
        ([("日x", "")], [("日y", "")], (2, 3)),
        ([("ab", ""), ("c", "")], [("a", ""), ("bc", "")], (0, 0)),
    ],
)
def test_changed_cells(old: Line, new: Line, cells: tuple[int, int]) -> None:
    assert changed_cells(old, new) == cells


def test_left_and_right_meet_without_touching() -> None:
    line = spread([("left side", "")], [("right", "")], 12)
    assert text_of([line]) == "left … right"
    assert text_of([spread([("a", "")], [("b", "")], 5)]) == "a   b"


def test_cut_marks_what_is_missing() -> None:
    assert cut("short", 5) == "short"
    assert cut("longer", 5) == "long…"


def test_a_heading_fills_its_width() -> None:
    assert text_of([heading("Loss", [("x", "")], 12, "─")]) == "Loss ───── x"
    assert text_of([heading("Loss", [], 8, "-")]) == "Loss ---"
