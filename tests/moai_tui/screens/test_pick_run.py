"""One run out of all of them, and its curve below the one on screen."""

from __future__ import annotations

from moai_tui.messages import ReadRun, RunsToCompareRead, RunsToCompareWanted, RunsWanted
from moai_tui.screens.pick_run import PickRunDialog
from moai_tui.screens.run import RunScreen
from moai_tui.widgets.run.loss_chart import LossChart
from moai_tui.widgets.run_table import RunTable
from tests.moai_tui import scripted_run
from tests.moai_tui.conftest import ScriptedApp
from trainer_core.run.config.run_config import RunConfig


async def test_another_run_is_drawn_below_and_taken_away(scripted_app: type[ScriptedApp], facts):
    app = scripted_app(lambda: RunScreen(scripted_run.RUN_ID, clock=lambda: scripted_run.START))
    async with app.run_test(size=(120, 40)) as pilot:
        app.post_message(facts.runs())
        app.post_message(scripted_run.updated(scripted_run.training(300)))
        await pilot.pause()
        await pilot.press("o")
        assert isinstance(app.screen, PickRunDialog)
        table = app.screen.query_one(RunTable)
        assert table.shown
        assert all(run.step for run in table.shown), "a run without a curve is not offered"
        await pilot.press("slash", *"zzz", "enter")
        assert "No run matches" in table.plain
        await pilot.press("slash", *("backspace",) * 3, "enter", "enter")
        await pilot.pause()
        assert app.heard_of(RunsWanted)[-1] == RunsWanted(False)
        wanted = app.heard_of(RunsToCompareWanted)[0].run_ids
        earlier = scripted_run.updated(scripted_run.finished(), "finished")
        read = ReadRun(earlier.summary, earlier.view, RunConfig())
        app.post_message(RunsToCompareRead((read,), ("other",)))
        await pilot.pause()
        chart = app.screen.query_one(LossChart)
        assert "b quiet-moai" not in chart.plain, "an answer to another wish"
        app.post_message(RunsToCompareRead((read,), wanted, "something"))
        await pilot.pause()
        assert "b quiet-moai" in chart.plain
        assert app.said[-1] == ("something", False)
        await pilot.press("o")
        await pilot.pause()
        assert "b quiet-moai" not in chart.plain
