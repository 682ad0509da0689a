from __future__ import annotations

from dataclasses import replace

from moai_tui.messages import ResumeRequested, RunsListed, RunsWanted, StopRequested
from moai_tui.screens.dashboard import DashboardScreen
from moai_tui.screens.dialogs import ConfirmDialog
from moai_tui.widgets.dashboard.accelerator_table import AcceleratorTable
from moai_tui.widgets.lines import Lines
from moai_tui.widgets.run_table import RunTable


def text_of(app):
    """Everything drawn by our widgets on the home screen."""
    return "\n".join(widget.plain for widget in app.screen.query(Lines) if widget.display)


async def test_an_empty_machine_says_what_to_press(scripted_app, facts):
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(facts.reading(facts.cpu))
        app.post_message(RunsListed(()))
        await pilot.pause()
        assert "No runs yet. Press n for a new run." in text_of(app)
        table = app.screen.query_one(AcceleratorTable).plain
        head = "Device Name Model Memory Usage Total Memory Utilization"
        assert " ".join(table.splitlines()[0].split()) == head
        assert "* 0 MoAI Accelerator Small.24GB" in " ".join(table.split())
        assert table.splitlines()[2].split()[-3:] == ["-", "-", "-"]
        assert len(table.splitlines()) == 3, "one device is not opened by itself"


async def test_devices_are_opened_under_one_line_of_sum(scripted_app, facts):
    app = scripted_app()
    async with app.run_test(size=(120, 40)) as pilot:
        app.post_message(facts.reading(facts.cards(), 2, 1))
        app.post_message(facts.runs())
        await pilot.pause()
        table = app.screen.query_one(AcceleratorTable)
        assert "8 devices: 5 idle, 1 bob, 2 you" in table.plain
        assert "114688 MiB" in table.plain, "the run's two cards, summed"
        assert "you · alpaca-13b" in table.plain
        assert "bob · python big.py" in table.plain
        await pilot.press("p")
        assert "you · alpaca-13b" not in table.plain
        assert "8 devices" in table.plain


async def test_trouble_with_the_reading_stands_below_the_table(scripted_app, facts):
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(replace(facts.reading(facts.cpu), error="The driver does not answer."))
        await pilot.pause()
        assert "The driver does not answer." in app.screen.query_one(AcceleratorTable).plain


async def test_enter_opens_the_run_under_the_cursor(scripted_app, facts, monkeypatch):
    app = scripted_app()
    opened = []
    monkeypatch.setattr(app, "open_run", opened.append)
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(facts.runs())
        await pilot.pause()
        await pilot.press("j", "enter")
        assert opened == [facts.runs().runs[1].id]


async def test_stop_asks_first_and_no_means_no(scripted_app, facts):
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(facts.runs())
        await pilot.pause()
        await pilot.press("s")
        assert isinstance(app.screen, ConfirmDialog)
        assert "Stop alpaca-13b?" in app.screen.query_one(Lines).plain
        await pilot.press("n")
        assert app.heard_of(StopRequested) == []
        await pilot.press("s", "y")
        await pilot.pause()
        assert [wish.run_id for wish in app.heard_of(StopRequested)] == ["20261124-110203-aaaaaa"]


async def test_a_run_that_ended_is_not_stopped_but_resumed(scripted_app, facts):
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(facts.runs())
        await pilot.pause()
        await pilot.press("G", "s")
        assert isinstance(app.screen, DashboardScreen)
        assert app.said[-1][0] == "This run is stopped; there is nothing to stop."
        await pilot.press("R")
        await pilot.pause()
        assert [wish.run_id for wish in app.heard_of(ResumeRequested)] == [facts.run(6).id]
        await pilot.press("g", "R")
        assert app.said[-1][0] == "This run is running; there is nothing to resume."


async def test_filter_shows_only_what_matches_until_escape(scripted_app, facts):
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(facts.runs())
        await pilot.pause()
        table = app.screen.query_one(RunTable)
        await pilot.press("slash", *"13b")
        assert [run.name for run in table.shown] == ["alpaca-13b"]
        await pilot.press("enter")
        assert app.focused is table
        await pilot.press("escape")
        assert len(table.shown) == 7
        await pilot.press("slash", *"nothing")
        assert "No run matches 'nothing'" in table.plain


async def test_y_copies_the_command(scripted_app, facts):
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(facts.runs())
        await pilot.pause()
        await pilot.press("y")
        assert app.copied == ["moai-tui attach 20261124-110203-aaaaaa"]


async def test_below_60_by_16_one_line_of_truth(scripted_app, facts):
    app = scripted_app()
    async with app.run_test(size=(50, 10)) as pilot:
        app.post_message(facts.runs())
        await pilot.pause()
        shown = [widget for widget in app.screen.query(Lines) if widget.display]
        assert [type(widget).__name__ for widget in shown] == ["TruthLine"]
        assert shown[0].plain == "● running  120/400  1.2345  alpaca-13b"
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert app.screen.query_one(RunTable).display
        assert not app.screen.query_one("TruthLine").display


async def test_runs_are_read_only_while_they_are_on_screen(scripted_app, facts):
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert [wish.visible for wish in app.heard_of(RunsWanted)] == [True]
        await pilot.press("question_mark")
        await pilot.pause()
        assert [wish.visible for wish in app.heard_of(RunsWanted)] == [True, False]
        await pilot.press("escape")
        await pilot.pause()
        assert app.heard_of(RunsWanted)[-1].visible


async def test_names_are_shown_literally(scripted_app, facts):
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(RunsListed((facts.run(name="[red]x[/]\x1b[31m"),)))
        await pilot.pause()
        drawn = app.screen.query_one(RunTable).plain
        assert "[red]x[/]␛[3" in drawn
        assert "\x1b" not in drawn
