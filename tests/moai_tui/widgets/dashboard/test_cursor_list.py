from __future__ import annotations

from moai_tui.widgets.dashboard.cursor_list import CursorList
from tests.moai_tui.widget_app import WidgetApp


def entries(*keys):
    return [(key, [(f"line {key}", "")]) for key in keys]


async def test_the_cursor_keeps_to_its_entry_and_the_head_stays():
    app = WidgetApp(CursorList())
    async with app.run_test(size=(20, 4)) as pilot:
        app.widget.styles.height = 4
        app.widget.focus()
        app.widget.show_entries([[("head", "")]], entries(*"abcdefgh"))
        await pilot.pause()
        await pilot.press("down", "j", "down", "down")
        assert app.widget.cursor == "e"
        assert app.widget.plain.splitlines() == ["head", "line c", "line d", "line e"]
        app.widget.show_entries([[("head", "")]], entries(*"zabcdefgh"))
        assert app.widget.cursor == "e"
        await pilot.press("G")
        assert app.widget.cursor == "h"
        await pilot.press("g")
        assert app.widget.plain.splitlines() == ["head", "line z", "line a", "line b"]


async def test_without_entries_it_says_so():
    app = WidgetApp(CursorList(empty=[[("nothing", "")]]))
    async with app.run_test(size=(20, 4)) as pilot:
        app.widget.show_entries([], [])
        await pilot.pause()
        await pilot.press("down")
        assert (app.widget.cursor, app.widget.plain) == (None, "nothing")
