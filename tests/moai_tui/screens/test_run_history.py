from __future__ import annotations

from moai_tui.messages import StopRequested
from moai_tui.screens.run_history import ORDERS, RunHistoryScreen
from moai_tui.widgets.run_table import RunTable
from moai_tui.widgets.title_line import TitleLine


async def test_every_run_is_listed_and_o_sorts_them(scripted_app, facts):
    app = scripted_app(RunHistoryScreen)
    async with app.run_test(size=(120, 40)) as pilot:
        app.post_message(facts.runs())
        await pilot.pause()
        table = app.screen.query_one(RunTable)
        title = app.screen.query_one(TitleLine)
        assert "runs (7)" in title.plain
        assert title.plain.endswith("newest first")
        for name, _, _ in ORDERS[1:4]:
            await pilot.press("o")
            assert title.plain.endswith(name)
        await pilot.press("o")
        assert [run.eval_loss for run in table.shown[:2]] == [1.1, 1.5]
        await pilot.press("f6", "o")
        assert table.shown == facts.runs().runs, "after the last order the first again"


async def test_the_keys_of_the_home_screen_work_here_too(scripted_app, facts, monkeypatch):
    app = scripted_app(RunHistoryScreen)
    opened = []
    monkeypatch.setattr(app, "open_run", opened.append)
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(facts.runs())
        await pilot.pause()
        await pilot.press("enter", "y", "s", "y")
        await pilot.pause()
        assert opened == ["20261124-110203-aaaaaa"]
        assert app.copied == ["moai-tui attach 20261124-110203-aaaaaa"]
        assert len(app.heard_of(StopRequested)) == 1
        await pilot.press("escape")
        assert not isinstance(app.screen, RunHistoryScreen)
