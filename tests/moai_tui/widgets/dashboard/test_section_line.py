from __future__ import annotations

from textual.app import App

from moai_tui import theming
from moai_tui.widgets.dashboard.section_line import SectionLine


class SectionApp(App[None]):
    def get_theme_variable_defaults(self):
        return theming.variable_defaults(self.current_theme)

    def compose(self):
        yield SectionLine("Runs")


async def test_the_detail_is_literal_safe_and_cut():
    app = SectionApp()
    async with app.run_test(size=(40, 5)) as pilot:
        await pilot.pause()
        section = app.query_one(SectionLine)
        section.show_detail("[b]7[/b] runs\x1b[2J")
        assert section.plain == "Runs   [b]7[/b] runs␛[2J"
        section.show_detail("x" * 90)
        assert len(section.plain) == 38
        assert section.plain.endswith("…")
