from __future__ import annotations

from moai_tui.messages import RunsListed
from moai_tui.screens.run_history import RunHistoryScreen
from moai_tui.widgets.run_table import RunTable


async def test_a_screen_opened_later_shows_the_newest_list_at_once(scripted_app, facts):
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(facts.runs())
        await pilot.pause()
        await app.push_screen(RunHistoryScreen())
        await pilot.pause()
        assert len(app.screen.query_one(RunTable).shown) == 7
        assert app.focused is app.screen.query_one(RunTable)


async def test_letters_typed_into_the_filter_are_no_keys(scripted_app, facts):
    app = scripted_app(RunHistoryScreen)
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(facts.runs())
        await pilot.pause()
        await pilot.press("slash", *"qn1s2")
        assert isinstance(app.screen, RunHistoryScreen)
        assert app.screen.filter_input.value == "qn1s2"
        await pilot.press("escape")
        assert not app.screen.filter_input.display


async def test_without_a_run_the_keys_do_nothing(scripted_app):
    app = scripted_app(RunHistoryScreen)
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(RunsListed(()))
        await pilot.pause()
        await pilot.press("s", "R", "y", "enter")
        await pilot.pause()
        assert isinstance(app.screen, RunHistoryScreen)
        assert app.copied == []
