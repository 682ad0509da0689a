from __future__ import annotations

from moai_tui.screens.sizes import SizeDialog
from moai_tui.widgets.lines import Lines


async def test_the_menu_is_the_platforms_and_refuses_what_cannot_be_formed(scripted_app, facts):
    picked = []
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(SizeDialog(facts.cards(4), "Medium.160GB"), picked.append)
        await pilot.pause()
        text = "\n".join(widget.plain for widget in app.screen.query(Lines))
        assert "  2. Medium.160GB  *" in text.replace("\n", "\n ")
        assert "13. 48xLarge.30720GB  needs 384 devices" in text
        assert "4 usable devices on this machine" in text
        await pilot.press("down", "down", "enter")
        assert picked == []
        assert "needs 8 devices" in app.said[-1][0]
        await pilot.press("up", "enter")
        assert [size.label for size in picked] == ["Large.320GB"]


async def test_leaving_picks_nothing(scripted_app, facts):
    picked = []
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(SizeDialog(facts.cards(4), None), picked.append)
        await pilot.press("escape")
        await pilot.pause()
        assert picked == [None]
