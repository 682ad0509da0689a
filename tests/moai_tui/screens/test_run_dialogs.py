"""Small questions about one run."""

from __future__ import annotations

import pytest

from moai_tui.screens.run_dialogs import CopyDialog, NumberDialog, Words, WordsDialog
from moai_tui.widgets.run.run_result import Copyable
from tests.moai_tui.conftest import ScriptedApp


@pytest.mark.parametrize(
    ("typed", "given"),
    [("2e-4", 2e-4), ("2", "refused"), ("nan", "refused"), ("x", "refused")],
)
async def test_only_a_number_in_the_range_is_taken(
    scripted_app: type[ScriptedApp], typed: str, given: object
) -> None:
    answers: list[float | None] = []
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(NumberDialog("Which rate?", most=1.0), answers.append)
        await pilot.pause()
        await pilot.press(*typed, "enter")
        await pilot.pause()
        if given != "refused":
            assert answers == [given]
            return
        assert answers == []
        await pilot.press("escape")
        assert answers == [None]


async def test_leaving_keeps_the_words_as_they_are(scripted_app: type[ScriptedApp]) -> None:
    answers: list[Words | None] = []
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(WordsDialog("quiet-moai", Words("a", "b", "c")), answers.append)
        await pilot.pause()
        await pilot.press("x", "escape")
        assert answers == [None]
        app.push_screen(WordsDialog("quiet-moai", Words("a", "b", "c")), answers.append)
        await pilot.pause()
        await pilot.press("end", "x", "enter")
        assert answers[1] == Words("ax", "b", "c")


async def test_a_digit_copies_its_line(scripted_app: type[ScriptedApp]) -> None:
    answers: list[Copyable | None] = []
    items = tuple(Copyable(name, f"text of {name}", name) for name in ("id", "model"))
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(CopyDialog(items), answers.append)
        await pilot.pause()
        text = app.screen.query_one("Lines").plain  # type: ignore[attr-defined]
        assert "2 model" in text
        await pilot.press("7", "2")
        assert answers == [items[1]]
