from __future__ import annotations

from pathlib import Path

import pytest
from textual import on

from moai_tui.widgets.form.path_input import PathInput, complete
from tests.moai_tui.widget_app import WidgetApp

IDS = ("tiny", "smollm2-135m", "smollm2-360m")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "notes.jsonl").touch()
    (tmp_path / "notebook").mkdir()
    (tmp_path / ".hidden").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "한국어.csv").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "completed"),
    [
        ("t", "tiny"),
        ("smol", "smollm2-"),
        ("not", "note"),
        ("noteb", "notebook/"),
        ("dat", "data/"),
        ("data/", "data/한국어.csv"),
        ("python:da", "python:data/"),
        (".h", ".hidden"),
        ("nothing", "nothing"),
        ("no/such/folder", "no/such/folder"),
    ],
)
def test_completion_goes_as_far_as_a_shell_would(folder: Path, text: str, completed: str) -> None:
    assert complete(text, IDS).text == completed


def test_the_home_folder_is_understood_and_stays_a_tilde(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert complete("~/noteb").text == "~/notebook/"


def test_several_ways_on_are_listed(folder: Path) -> None:
    assert complete("note", IDS).candidates == ("notebook/", "notes.jsonl")


def test_hidden_entries_are_offered_only_when_asked_for(folder: Path) -> None:
    assert ".hidden" not in complete("", ()).candidates


class TwoFields(WidgetApp):
    """A path and a place to move on to."""

    def __init__(self) -> None:
        super().__init__(PathInput())
        self.seen: list[tuple[str, ...]] = []

    def compose(self):
        yield self.widget
        yield PathInput(id="next")

    @on(PathInput.Candidates)
    def note(self, event: PathInput.Candidates) -> None:
        self.seen.append(event.candidates)


async def test_tab_shows_the_ways_on_once_and_moves_on_the_second_time(folder: Path) -> None:
    app = TwoFields()
    async with app.run_test(size=(40, 4)) as pilot:
        app.widget.focus()
        await pilot.press(*"note", "tab")
        await pilot.pause()
        assert app.seen == [("notebook/", "notes.jsonl")]
        assert app.focused is app.widget
        await pilot.press("tab")
        assert app.focused is app.query_one("#next")


async def test_tab_moves_on_where_nothing_was_typed(folder: Path) -> None:
    app = TwoFields()
    async with app.run_test(size=(40, 4)) as pilot:
        app.query_one(PathInput).show("note", "")
        app.widget.focus()
        await pilot.press("tab")
        assert app.focused is app.query_one("#next")
        assert app.query_one(PathInput).value == "note"
