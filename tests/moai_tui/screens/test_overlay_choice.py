"""Leaving the list of runs draws nothing."""

from __future__ import annotations

from moai_tui.messages import RunsToCompareWanted
from moai_tui.screens.run import RunScreen
from tests.moai_tui import scripted_run
from tests.moai_tui.conftest import ScriptedApp


async def test_no_run_is_read_that_nobody_chose(scripted_app: type[ScriptedApp], facts) -> None:
    app = scripted_app(lambda: RunScreen(scripted_run.RUN_ID, clock=lambda: scripted_run.START))
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(facts.runs())
        app.post_message(scripted_run.updated(scripted_run.training(30)))
        await pilot.pause()
        await pilot.press("o", "escape")
        await pilot.pause()
        assert isinstance(app.screen, RunScreen)
        assert app.heard_of(RunsToCompareWanted) == []
