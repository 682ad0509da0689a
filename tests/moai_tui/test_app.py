from __future__ import annotations

import pytest
from textual.command import CommandPalette
from textual.screen import Screen

from moai_tui.messages import (
    AcceleratorsRead,
    ActionEnded,
    FollowWanted,
    LaunchEnded,
    PlanReady,
    PlanWanted,
    RunsListed,
    TroubleMet,
)
from moai_tui.screens.dialogs import HelpDialog
from moai_tui.screens.run_history import RunHistoryScreen
from moai_tui.settings import Settings
from moai_tui.signals import dashboard
from moai_tui.widgets.run_table import RunTable
from trainer_core.run.config.run_config import RunConfig


async def test_the_keys_lead_everywhere_and_back(scripted_app):
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        assert isinstance(app.screen, RunHistoryScreen)
        await pilot.press("2")
        assert len(app.screen_stack) == 2, "asked again it opens nothing"
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpDialog)
        await pilot.press("escape", "1")
        assert type(app.screen).__name__ == "DashboardScreen"
        await pilot.press("escape")
        assert len(app.screen_stack) == 1, "the home screen stays"
        await pilot.press("q")
    assert app.return_code == 0
    assert app.recorded.stopped


async def test_wishes_of_a_screen_reach_live(scripted_app):
    app = scripted_app()
    async with app.run_test() as pilot:
        app.screen.post_message(PlanWanted(RunConfig()))
        app.screen.post_message(FollowWanted("20261124-110203-aaaaaa"))
        await pilot.pause()
        assert [wish.draft for wish in app.heard_of(PlanWanted)] == [RunConfig()]
        assert [wish.run_id for wish in app.heard_of(FollowWanted)] == ["20261124-110203-aaaaaa"]


async def test_facts_reach_a_screen_and_the_newest_is_kept(scripted_app, facts):
    class Listener(Screen[None]):
        heard: list[object] = []  # noqa: RUF012 - one listener in this test

        def on_mount(self):
            dashboard(self).plan_signal.subscribe(self, self.heard.append)
            dashboard(self).runs_signal.subscribe(self, self.heard.append)

    app = scripted_app(Listener)
    async with app.run_test() as pilot:
        await pilot.pause()
        plan, runs = PlanReady(RunConfig(), None), RunsListed((facts.run(),))
        app.post_message(plan)
        app.post_message(runs)
        await pilot.pause()
        assert Listener.heard == [plan, runs]
        assert app.newest.plan is plan
        assert app.newest.runs is runs


async def test_facts_of_one_kind_are_published_calmly_and_the_last_one_counts(scripted_app, facts):
    app = scripted_app()
    app.pace.seconds = 3600.0
    published = []
    app.accelerators_signal.publish = published.append
    async with app.run_test() as pilot:
        for _ in range(5):
            last = AcceleratorsRead(facts.cpu)
            app.post_message(last)
            await pilot.pause()
        assert len(published) == 1
        app.pace.seconds = 0.0
        app.pace._beat()  # as its timer does
        assert len(published) == 2
        assert published[-1] is last


async def test_a_run_that_was_started_takes_the_place_of_the_form(scripted_app, monkeypatch):
    app = scripted_app()
    opened = []
    monkeypatch.setattr(app, "open_run", opened.append)
    async with app.run_test() as pilot:
        app.post_message(LaunchEnded("20261124-110203-aaaaaa"))
        await pilot.pause()
        assert opened == ["20261124-110203-aaaaaa"]
        app.post_message(LaunchEnded(None, "data.jsonl:7: no column"))
        await pilot.pause()
        assert len(opened) == 1


async def test_what_is_said_is_literal(scripted_app):
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(ActionEnded("x", "It [b]stops[/b] after step 7.", True))
        app.post_message(TroubleMet("The runs cannot be read: [/]"))
        await pilot.pause()
        toasts = [(note.message, note.severity, note.markup) for note in app._notifications]
        assert ("It [b]stops[/b] after step 7.", "information", False) in toasts
        assert ("The runs cannot be read: [/]", "error", False) in toasts


async def test_every_key_is_in_the_palette_and_every_theme(scripted_app):
    app = scripted_app()
    async with app.run_test() as pilot:
        await pilot.pause()
        titles = {command.title for command in app.get_system_commands(app.screen)}
        assert {"Quit", "Help", "New run", "Home", "Runs", "Stop run", "Resume run"} <= titles
        assert "Theme: colour-blind" in titles
        command = next(
            c for c in app.get_system_commands(app.screen) if c.title == "Theme: moai-light"
        )
        command.callback()
        assert app.theme == "moai-light"


async def test_a_theme_nobody_knows_is_told(scripted_app):
    app = scripted_app(settings=Settings(theme="molai-dark", notices=("a notice",)))
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.theme == "moai-dark"
        assert ("a notice", False) in app.said
        assert any("There is no theme molai-dark" in text for text, _ in app.said)


async def test_leaving_the_run_stops_following_it(scripted_app):
    app = scripted_app()
    async with app.run_test() as pilot:
        app.open_run("20261124-110203-aaaaaa")
        await pilot.pause()
        app.open_run("20261124-110203-aaaaaa")
        await pilot.pause()
        assert len(app.screen_stack) == 2
        app.go_back()
        await pilot.pause()
        assert app.heard_of(FollowWanted)[-1].run_id is None


@pytest.mark.parametrize("key", ["ctrl+p", "colon"])
async def test_the_palette_opens(scripted_app, key):
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(key)
        await pilot.pause()
        assert isinstance(app.screen, CommandPalette)
        words = [command.title for command in app.get_system_commands(app.screen_stack[0])]
        assert "Commands" not in words, "it is open already"
        assert "Copy selected text" not in words, "Textual's own key is no command of ours"


async def test_a_hidden_screen_does_not_repaint_the_one_above(scripted_app):
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        assert app._background_screens == []
        await pilot.press("question_mark")
        assert app._background_screens, "a dialog lets the screen below shine through"


async def test_lists_put_their_cursor_on_the_run_one_comes_from(scripted_app, facts):
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        runs = facts.runs()
        app.post_message(runs)
        await pilot.pause()
        await pilot.press("enter", "escape")
        app.open_run(runs.runs[3].id)
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        table = app.screen.query_one(RunTable)
        assert table.run_under_cursor == runs.runs[3]
        await pilot.press("down", "question_mark", "escape")
        await pilot.pause()
        assert table.run_under_cursor == runs.runs[4], "after a dialog it stays where it was"
