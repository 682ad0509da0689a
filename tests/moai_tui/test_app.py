from __future__ import annotations


async def test_opens_home(scripted_app):
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert type(app.screen).__name__ == "DashboardScreen"
        assert app.theme == "moai-dark"
        await pilot.press("question_mark")
        await pilot.pause()
        assert type(app.screen).__name__ == "HelpDialog"
