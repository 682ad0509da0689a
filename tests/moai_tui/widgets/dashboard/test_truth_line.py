from __future__ import annotations

from textual.app import App

from moai_tui import theming
from moai_tui.widgets.dashboard.truth_line import TruthLine


class TruthApp(App[None]):
    CSS = "TruthLine { display: block; }"

    def get_theme_variable_defaults(self):
        return theming.variable_defaults(self.current_theme)

    def compose(self):
        yield TruthLine()


async def test_the_living_run_is_told_first(facts):
    app = TruthApp()
    async with app.run_test(size=(59, 3)) as pilot:
        await pilot.pause()
        line = app.query_one(TruthLine)
        line.show_devices(facts.cpu)
        assert line.plain == "No run; 1 device. n starts one, q quits."
        line.show_runs((facts.run(0, "finished", name="old"), facts.run(1, name="new", step=3)))
        assert line.plain.startswith("● running  3/–  –  new")
        line.show_runs((facts.run(0, "finished", name="old"),))
        assert line.plain.startswith("✓ finished")


async def test_it_is_never_wider_than_the_terminal(facts):
    app = TruthApp()
    async with app.run_test(size=(20, 3)) as pilot:
        await pilot.pause()
        line = app.query_one(TruthLine)
        line.show_runs((facts.run(name="a very long name indeed"),))
        assert len(line.plain) == 20
        assert line.plain.endswith("…")
