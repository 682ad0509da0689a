"""The log's end stays in view, unless one reads further back."""

from __future__ import annotations

from moai_tui.widgets.glyphs import UNICODE
from moai_tui.widgets.run.log_tail import LogTail, fresh_lines
from tests.moai_tui.widget_app import WidgetApp, styles_of, text_of

LINES = tuple(f"line {number}" for number in range(1, 31))


async def test_the_newest_line_is_at_the_bottom() -> None:
    widget = LogTail(signs=UNICODE)
    async with WidgetApp(widget).run_test(size=(40, 6)):
        widget.show(LINES)
        assert widget.plain.split("\n")[1:] == [f"line {n}" for n in range(26, 31)]


async def test_a_new_line_is_added_below_and_a_full_panel_moves_up_by_half() -> None:
    widget = LogTail(signs=UNICODE)
    async with WidgetApp(widget).run_test(size=(40, 7)):
        widget.show(LINES[:20])
        assert widget.plain.split("\n")[1:] == [f"line {n}" for n in range(15, 21)]
        widget.show(LINES[:21])
        assert widget.plain.split("\n")[1:] == ["line 19", "line 20", "line 21"]
        before = widget.lines
        widget.show(LINES[:22])
        assert widget.lines[:4] == before
        assert widget.plain.split("\n")[-1] == "line 22"
        widget.show(LINES[:30])
        assert widget.plain.split("\n")[1:] == [f"line {n}" for n in range(25, 31)]


def test_new_lines_are_counted_also_in_a_window_that_moves() -> None:
    assert fresh_lines((), LINES) == 30
    assert fresh_lines(LINES[:10], LINES[:10]) == 0
    assert fresh_lines(LINES[:10], LINES[4:13]) == 3
    assert fresh_lines(("same",) * 9, (*("same",) * 9, "other")) == 1
    assert fresh_lines(("gone",), LINES[:5]) == 5


async def test_a_reader_keeps_their_place_while_lines_come() -> None:
    widget = LogTail(signs=UNICODE)
    async with WidgetApp(widget).run_test(size=(40, 6)):
        widget.show(LINES)
        widget.scroll_lines(-10)
        assert widget.plain.split("\n")[-1] == "line 20"
        assert "10 below" in widget.plain
        widget.show((*LINES[5:], "line 31", "line 32"))
        assert widget.plain.split("\n")[-1] == "line 20"
        assert "12 below" in widget.plain
        widget.scroll_to_end(top=False)
        assert widget.plain.split("\n")[-1] == "line 32"


async def test_scrolling_stops_at_both_ends() -> None:
    widget = LogTail(signs=UNICODE)
    async with WidgetApp(widget).run_test(size=(40, 6)):
        widget.show(LINES)
        widget.scroll_to_end(top=True)
        assert widget.plain.split("\n")[1] == "line 1"
        widget.scroll_lines(-5)
        assert widget.plain.split("\n")[1] == "line 1"
        widget.scroll_lines(999)
        assert widget.back == 0


def test_an_empty_log_says_so() -> None:
    assert "nothing written yet" in text_of(LogTail(signs=UNICODE).build(40, 5))


def test_escapes_are_shown_and_long_lines_cut() -> None:
    widget = LogTail(signs=UNICODE)
    widget.show(("\x1b[31mred\x1b[0m [bold]", "x" * 500, "RuntimeError: no", "a warning"))
    lines = widget.build(40, 6)
    assert "␛[31mred␛[0m [bold]" in text_of(lines)
    assert "x" * 39 + "…" in text_of(lines)
    assert styles_of(lines[3]) == {"RuntimeError: no": "bad"}
    assert styles_of(lines[4]) == {"a warning": "warn"}
