from __future__ import annotations

import os
from dataclasses import replace

import pytest

from moai_tui.messages import DeviceAnswered, PoolChangeWanted, SignalWanted, StopRequested
from moai_tui.screens.devices import DevicesScreen
from moai_tui.screens.dialogs import ConfirmDialog
from moai_tui.screens.sizes import SizeDialog
from moai_tui.settings import Settings
from moai_tui.widgets.dashboard.device_charts import DeviceCharts
from moai_tui.widgets.dashboard.process_list import ProcessList
from moai_tui.widgets.dashboard.waiting_list import WaitingList
from moai_tui.widgets.lines import Lines
from trainer_core.accelerators.base import DeviceProcess
from trainer_core.accelerators.locks import user_name
from trainer_core.accelerators.waiting_runs import WaitingRun


def text_of(app):
    return "\n".join(widget.plain for widget in app.screen.query(Lines))


@pytest.fixture
def opened(scripted_app, facts):
    """The screen with eight cards, two accelerators, and a process of ours on card 3."""

    async def open_it(app, pilot):
        cards = list(facts.cards())
        mine = DeviceProcess(pid=os.getpid(), user=user_name(), command="python mine.py")
        cards[3] = replace(cards[3], processes=(mine,))
        app.post_message(facts.reading(tuple(cards), 2, 1))
        app.post_message(facts.runs())
        await pilot.pause()
        await pilot.press("3")
        await pilot.pause()
        assert isinstance(app.screen, DevicesScreen)

    return open_it


async def test_everything_is_seen_at_80_by_24(scripted_app, opened):
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        text = text_of(app)
        assert "Medium.160GB" in text
        assert "8 devices: 4 idle, 1 bob" in text
        assert "yours, no run" in text
        assert "somebody else" in text
        bottom = max(widget.region.bottom for widget in app.screen.query(Lines))
        assert bottom == 24
        await pilot.press("escape")
        assert len(app.screen_stack) == 1


async def test_accelerators_are_changed_after_a_question_where_something_is_lost(
    scripted_app, opened
):
    app = scripted_app()
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(app, pilot)
        await pilot.press("down", "enter")
        await pilot.press("x")
        assert isinstance(app.screen, ConfirmDialog)
        await pilot.press("n")
        await pilot.press("x", "y")
        await pilot.press("a")
        assert isinstance(app.screen, SizeDialog)
        await pilot.press("enter")
        await pilot.press("w", "down", "enter")
        await pilot.pause()
        wishes = app.heard_of(PoolChangeWanted)
        assert [(w.action, w.index, w.size and w.size.label) for w in wishes] == [
            ("switch", 1, None),
            ("remove", 1, None),
            ("add", 0, "Small.80GB"),
            ("resize", 1, "Medium.160GB"),
        ]
        assert all(len(wish.machine) == 8 for wish in wishes)
        app.post_message(DeviceAnswered("Create device success.", True))
        await pilot.pause()
        assert app.said[-1] == ("Create device success.", True)


async def test_reset_stops_the_run_on_an_accelerator_and_says_when_there_is_none(
    scripted_app, opened
):
    app = scripted_app()
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(app, pilot)
        await pilot.press("r", "y")
        await pilot.pause()
        assert [wish.run_id for wish in app.heard_of(StopRequested)] == ["20261124-110203-aaaaaa"]
        await pilot.press("down", "r")
        assert app.said[-1] == ("Device release failed. (Not running job.)", False)


async def test_signals_go_to_own_processes_only_and_after_a_question(scripted_app, opened):
    app = scripted_app()
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(app, pilot)
        app.screen.query_one(ProcessList).focus()
        await pilot.press("K")
        assert isinstance(app.screen, ConfirmDialog)
        await pilot.press("n")
        assert app.heard_of(SignalWanted) == []
        await pilot.press("T", "y")
        await pilot.pause()
        (wish,) = app.heard_of(SignalWanted)
        assert (wish.process.pid, wish.signal_name) == (os.getpid(), "TERM")
        await pilot.press("down", "K")
        assert "belongs to somebody else; ask bob" in app.said[-1][0]
        assert len(app.heard_of(SignalWanted)) == 1


async def test_view_only_changes_nothing(scripted_app, opened):
    app = scripted_app(settings=Settings(view_only=True))
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(app, pilot)
        await pilot.press("enter", "x", "y", "a", "enter", "r", "y")
        app.screen.post_message(StopRequested("20261124-110203-aaaaaa"))
        await pilot.pause()
        assert [w for w in app.heard if w.changes] == []
        assert app.said[-1][0].startswith("View only")


async def test_who_waits_is_listed_and_only_own_runs_are_cancelled(scripted_app, facts):
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        reading = facts.reading(facts.cards(), 2, 1)
        app.post_message(facts.runs())
        app.post_message(reading)
        await pilot.press("3")
        await pilot.pause()
        waiting = app.screen.query_one(WaitingList)
        assert not waiting.display
        await pilot.press("c")
        assert app.said[-1] == ("No run waits for devices.", True)
        runs = (
            WaitingRun(place=1, run_id="x", user="bob", devices=4, expected_start=None),
            WaitingRun(
                place=2,
                run_id="20261124-110203-aaaaaa",
                user="me",
                devices=1,
                expected_start=None,
            ),
        )
        app.post_message(replace(reading, waiting=runs))
        for _ in range(100):
            if "alpaca" in waiting.plain:
                break
            await pilot.pause(0.02)
        assert waiting.display
        assert "alpaca-13b" in waiting.plain
        assert app.screen.max_scroll_y == 0, "with those who wait everything still has its room"
        waiting.focus()
        await pilot.press("c")
        assert app.said[-1] == ("That run is bob's; only they can cancel it.", False)
        await pilot.press("down", "c")
        assert isinstance(app.screen, ConfirmDialog)
        await pilot.press("y")
        await pilot.pause()
        assert [wish.run_id for wish in app.heard_of(StopRequested)] == ["20261124-110203-aaaaaa"]


async def test_a_tall_screen_shows_what_the_device_has_been_doing(scripted_app, opened):
    app = scripted_app()
    async with app.run_test(size=(160, 48)) as pilot:
        await opened(app, pilot)
        charts = app.screen.query_one(DeviceCharts)
        assert "Utilization  0%" in charts.plain
        await pilot.press("tab", "down")
        assert "Utilization  97%" in charts.plain
        assert "0 to 700 W" in charts.plain
        await pilot.resize_terminal(160, 40)
        await pilot.pause()
        assert not charts.display
