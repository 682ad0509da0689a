"""What the keys of a run do, when they apply, and what they ask first."""

from __future__ import annotations

import pytest

from moai_tui.messages import (
    ControlRequested,
    FormWanted,
    ResumeRequested,
    StopRequested,
    TrashWanted,
    WordsChanged,
    WordsRead,
    WordsWanted,
)
from moai_tui.screens.dialogs import ConfirmDialog
from moai_tui.screens.run import RunScreen
from moai_tui.screens.run_actions import lost_words
from moai_tui.screens.run_dialogs import WordsDialog
from tests.moai_tui import scripted_run
from tests.moai_tui.conftest import ScriptedApp
from tests.moai_tui.scripted_run import RUN_ID


def app_with(scripted_app: type[ScriptedApp]) -> ScriptedApp:
    return scripted_app(lambda: RunScreen(RUN_ID, clock=lambda: scripted_run.START))


async def test_a_running_run_is_steered(scripted_app: type[ScriptedApp]) -> None:
    app = app_with(scripted_app)
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(scripted_run.updated(scripted_run.training(10)))
        await pilot.pause()
        await pilot.press("P", "S", "f")
        await pilot.press("E", *"fifty", "enter")
        assert "whole number above 0" in app.screen.query("Lines").last().plain  # type: ignore[attr-defined]
        await pilot.press("home", *("delete",) * 5, *"1,000", "enter")
        await pilot.press("L", *"2e-4", "enter")
        await pilot.press("L", "escape")
        await pilot.press("R", "D")
        await pilot.pause()
    assert app.heard_of(ControlRequested) == [
        ControlRequested(RUN_ID, "pause"),
        ControlRequested(RUN_ID, "save"),
        ControlRequested(RUN_ID, "extend", (("steps", 1000),)),
        ControlRequested(RUN_ID, "set", (("learning_rate", 2e-4),)),
    ]
    assert app.heard_of(FormWanted) == [FormWanted(RUN_ID)]
    assert not app.heard_of(ResumeRequested)
    assert not app.heard_of(TrashWanted), "a living run is not deleted"


@pytest.mark.parametrize(
    ("state", "wish"),
    [("paused", ControlRequested(RUN_ID, "resume")), ("stopped", ResumeRequested(RUN_ID))],
)
async def test_a_run_goes_on(scripted_app: type[ScriptedApp], state: str, wish: object) -> None:
    app = app_with(scripted_app)
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(scripted_run.updated(scripted_run.training(10), state))
        await pilot.pause()
        await pilot.press("R")
        await pilot.pause()
    assert wish in app.heard
    assert not app.heard_of(StopRequested)


async def test_deleting_names_what_is_lost_and_asks(scripted_app: type[ScriptedApp]) -> None:
    app = app_with(scripted_app)
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(scripted_run.updated(scripted_run.finished(), "finished"))
        await pilot.pause()
        await pilot.press("D")
        assert app.heard_of(WordsWanted) == [WordsWanted(RUN_ID)]
        app.post_message(WordsRead(RUN_ID, folder_bytes=2**30, checkpoints=3, has_model=True))
        await pilot.pause()
        assert isinstance(app.screen, ConfirmDialog)
        assert "3 checkpoints and the model, 1.00 GiB" in app.screen.query_one("Lines").plain  # type: ignore[attr-defined]
        await pilot.press("n")
        assert not app.heard_of(TrashWanted)
        await pilot.press("D")
        app.post_message(WordsRead(RUN_ID))
        await pilot.pause()
        await pilot.press("y")
        await pilot.pause()
        folder = f"/home/ada/runs/{RUN_ID}"
        assert app.heard_of(TrashWanted) == [TrashWanted((folder,))]
        assert app.newest.trashed == (folder,)
        assert not isinstance(app.screen, RunScreen), "there is nothing to look at any more"


async def test_words_are_read_changed_and_kept(scripted_app: type[ScriptedApp]) -> None:
    app = app_with(scripted_app)
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(scripted_run.updated(scripted_run.training(10)))
        await pilot.pause()
        await pilot.press("t")
        app.post_message(WordsRead(RUN_ID, "quiet-moai", ("warm",), "first\nsecond"))
        await pilot.pause()
        assert isinstance(app.screen, WordsDialog)
        await pilot.press("tab", "end", *",cold", "tab", *"!", "ctrl+s")
        await pilot.pause()
    kept = WordsChanged(RUN_ID, "quiet-moai", ("warm", "cold"), "!first\nsecond")
    assert app.heard_of(WordsChanged) == [kept]


def test_what_is_lost_is_said_in_words() -> None:
    assert lost_words(WordsRead("x", folder_bytes=100)) == "its events and logs, 100 B"
    assert lost_words(WordsRead("x", folder_bytes=1, checkpoints=1)) == "1 checkpoint, 1 B"
