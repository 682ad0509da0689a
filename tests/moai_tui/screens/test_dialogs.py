from __future__ import annotations

import pytest
from textual.containers import VerticalScroll

from moai_tui.screens.dialogs import ConfirmDialog, HelpDialog
from moai_tui.widgets.lines import Lines


@pytest.mark.parametrize(
    ("key", "answer"), [("y", True), ("n", False), ("escape", False), ("q", False)]
)
async def test_only_y_says_yes(scripted_app, key, answer):
    app = scripted_app()
    answers = []
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(
            ConfirmDialog("Stop [b]x[/b]?", "It saves.", yes="stop"), answers.append
        )
        await pilot.pause()
        assert app.screen.query_one(Lines).plain == (
            "Stop [b]x[/b]?\nIt saves.\n\ny stop   n no, leave it"
        )
        await pilot.press(key)
        await pilot.pause()
        assert answers == [answer]


async def test_help_tells_what_works_here_and_everywhere(scripted_app, facts):
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        text = app.screen.query_one(Lines).plain
        here, everywhere = text.split("Everywhere")
        assert "s f9" in here
        assert "Saves first; asks before" in here
        assert "Leave; runs go on" in everywhere
        assert "n f2" in everywhere
        assert "Find any action or theme" in everywhere
        assert "Order" not in text, "a key of another screen"
        scroll = app.screen.query_one(VerticalScroll)
        assert scroll.region.height <= 22
        await pilot.press("j")
        await pilot.pause()
        assert scroll.scroll_y == 1
        await pilot.press("question_mark")
        assert not isinstance(app.screen, HelpDialog)
