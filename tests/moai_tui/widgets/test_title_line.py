from __future__ import annotations

from textual.app import App

from moai_tui import theming
from moai_tui.widgets.title_line import TitleLine


class TitleApp(App[None]):
    def get_theme_variable_defaults(self):
        return theming.variable_defaults(self.current_theme)

    def compose(self):
        yield TitleLine("runs (3)", "newest first")


async def test_place_left_detail_right_and_the_place_wins():
    app = TitleApp()
    async with app.run_test(size=(50, 5)) as pilot:
        await pilot.pause()
        title = app.query_one(TitleLine)
        assert title.plain == "moai-tui  runs (3)" + " " * 18 + "newest first"
        title.show_title(place="[b]run[/b]", right="")
        assert title.plain == "moai-tui  [b]run[/b]"
        title.show_title(place="x" * 80, right="newest first")
        assert title.plain == "moai-tui  " + "x" * 37 + "…"
