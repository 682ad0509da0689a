"""Runs are marked in the list and stand side by side."""

from __future__ import annotations

from moai_tui.messages import RestoreWanted, RunsToCompareRead, RunsToCompareWanted
from moai_tui.screens.compare import CompareScreen
from moai_tui.screens.run_history import RunHistoryScreen
from moai_tui.widgets.run.compare_table import CompareTable
from moai_tui.widgets.run.loss_chart import LossChart
from moai_tui.widgets.run_table import RunTable
from tests.moai_tui.widgets.run.test_compare_table import two_runs


async def test_marked_runs_are_compared(scripted_app, facts):
    app = scripted_app(RunHistoryScreen)
    async with app.run_test(size=(120, 40)) as pilot:
        app.post_message(facts.runs())
        await pilot.pause()
        await pilot.press("c")
        assert "space" in app.said[-1][0], "one run is nothing to compare"
        table = app.screen.query_one(RunTable)
        await pilot.press("space", "space", "k", "space")
        assert table.marked == (table.shown[0].id,), "a second space takes the mark away"
        await pilot.press("c")
        await pilot.pause()
        assert isinstance(app.screen, CompareScreen)
        wanted = app.heard_of(RunsToCompareWanted)[0].run_ids
        assert wanted == (table.shown[0].id, table.shown[2].id)
        app.post_message(RunsToCompareRead(two_runs(), wanted))
        await pilot.pause()
        chart = app.screen.query_one(LossChart)
        assert "b two-devices" in chart.plain
        assert "finished" in app.screen.query_one(CompareTable).plain
        await pilot.press("left", "left", "plus", "l")
        assert "step" in chart.plain.split("\n")[0]
        assert "(log) 2×" in chart.plain
        await pilot.press("escape")
        assert isinstance(app.screen, RunHistoryScreen)


async def test_undo_brings_back_what_was_deleted_last(scripted_app, facts):
    app = scripted_app(RunHistoryScreen)
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(facts.runs())
        await pilot.pause()
        await pilot.press("u")
        assert app.said[-1] == ("Nothing was deleted here.", True)
        app.newest.trashed = ("/runs/x",)
        await pilot.press("u", "u")
        await pilot.pause()
        assert app.heard_of(RestoreWanted) == [RestoreWanted(("/runs/x",))]
