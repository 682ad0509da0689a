from __future__ import annotations

import pytest
from textual.app import App

from moai_tui import theming
from moai_tui.widgets.key_line import KeyLine, hint_line
from moai_tui.widgets.lines import line_width

HINTS = (("n", "new run"), ("enter", "open"), ("q", "quit"))


class KeyApp(App[None]):
    def get_theme_variable_defaults(self):
        return theming.variable_defaults(self.current_theme)

    def compose(self):
        yield KeyLine(HINTS)


@pytest.mark.parametrize(
    ("width", "text"),
    [(80, "n new run   enter open   q quit"), (24, "n new run   enter open"), (8, "")],
)
def test_hints_that_do_not_fit_are_left_out_whole(width, text):
    line = hint_line(HINTS, width)
    assert "".join(piece for piece, _ in line) == text
    assert line_width(line) <= width


async def test_it_stands_on_the_last_line_and_shows_other_keys_when_told():
    app = KeyApp()
    async with app.run_test(size=(40, 10)) as pilot:
        await pilot.pause()
        line = app.query_one(KeyLine)
        assert line.region.y == 9
        assert line.plain == "n new run   enter open   q quit"
        line.show_hints([("esc", "back")])
        assert line.plain == "esc back"
