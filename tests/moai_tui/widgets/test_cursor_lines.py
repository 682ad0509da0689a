"""Every list has the same keys, and its cursor stays in sight."""

from __future__ import annotations

import pytest
from textual.app import App

from moai_tui.widgets.cursor_lines import CursorLines
from moai_tui.widgets.dashboard.cursor_list import CursorList
from moai_tui.widgets.run_table import RunTable


def cursor_list(facts):
    made = CursorList()
    made.show_entries([[("head", "")]], [(str(n), [(f"entry {n}", "")]) for n in range(40)])
    return made, lambda: int(made.cursor)


def run_table(facts):
    made = RunTable()
    runs = tuple(facts.run(n, id=f"run-{n:02d}", name=f"entry {n}") for n in range(40))
    made.show_runs(runs)
    return made, lambda: runs.index(made.run_under_cursor)


@pytest.mark.parametrize("make", [cursor_list, run_table])
async def test_keys_and_mouse_move_the_cursor_and_it_stays_in_sight(make, facts):
    made, place = make(facts)
    assert isinstance(made, CursorLines)

    class OneList(App[None]):
        CSS = "CursorLines { height: 12; }"

        def compose(self):
            yield made

    app = OneList()
    async with app.run_test(size=(80, 12)) as pilot:
        made.focus()
        for keys, wanted in (
            (("j", "down"), 2),
            (("ctrl+d",), 12),
            (("k", "up"), 10),
            (("G",), 39),
            (("down",), 39),
            (("pageup",), 29),
            (("g", "up"), 0),
        ):
            await pilot.press(*keys)
            assert place() == wanted, keys
            assert f"entry {wanted}" in made.plain, keys
        heads = len(made.plain.splitlines()) - sum("entry" in x for x in made.plain.splitlines())
        await pilot.click(made, offset=(3, heads + 4))
        assert place() == 4
        await pilot.click(made, offset=(3, 0))
        assert place() == 4, "a head is no entry"
