from __future__ import annotations

from typing import Any

from textual.app import App
from textual.widgets import Input, OptionList

from moai_tui import theming
from moai_tui.screens.choose import ChooseScreen
from moai_tui.widgets.form.field_spec import Choice

MODELS = (
    Choice(value=None, label="auto", details=("", "chosen for you"), group="first"),
    *(
        Choice(
            value=f"model-{n}", label=f"model-{n}", details=(f"{n} GB", "download"), group="rest"
        )
        for n in range(12)
    ),
)
DEVICES = tuple(
    Choice(value=str(n), label=str(n), details=("card",), enabled=n != 1) for n in range(3)
)


class ChooseApp(App[None]):
    """Opens the list and keeps its result."""

    result: Any = "none yet"

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return theming.variable_defaults(self.current_theme)

    def open(self, *args: Any, **options: Any) -> None:
        def keep(result: Any) -> None:
            self.result = result

        self.push_screen(ChooseScreen(*args, **options), keep)


async def chosen(*keys: str, choices=MODELS, current=None, many=False) -> Any:
    app = ChooseApp()
    async with app.run_test(size=(80, 24)) as pilot:
        app.open("Model", choices, current, many=many)
        await pilot.pause()
        await pilot.press(*keys)
        await pilot.pause()
        return app.result


async def test_enter_takes_the_line_under_the_cursor_and_headings_are_passed_over() -> None:
    assert await chosen("enter") == (None,)
    assert await chosen("down", "enter") == ("model-0",)


async def test_the_list_opens_on_what_stands_in_the_field() -> None:
    assert await chosen("enter", current="model-7") == ("model-7",)


async def test_typing_narrows_the_list_to_lines_with_every_word() -> None:
    assert await chosen(*"11", "space", *"gb", "enter") == ("model-11",)


async def test_escape_leaves_all_as_it_was() -> None:
    assert await chosen("down", "escape") is None


async def test_nothing_that_fits_is_nothing_to_take() -> None:
    assert await chosen(*"zzz", "enter") == "none yet"


async def test_several_are_marked_with_space_and_barred_ones_passed_over() -> None:
    picked = await chosen("space", "down", "space", "enter", choices=DEVICES, current=(), many=True)
    assert picked == (("0", "2"),)
    again = await chosen("space", "enter", choices=DEVICES, current=("0", "2"), many=True)
    assert again == (("2",),)


async def test_all_of_it_is_on_a_small_screen() -> None:
    app = ChooseApp()
    async with app.run_test(size=(80, 24)) as pilot:
        app.open("Model", MODELS * 3, None)
        await pilot.pause()
        box = app.screen.query_one("Vertical").region
        assert app.screen.query_one("Lines").region.bottom < box.bottom <= 24
        assert app.focused is app.screen.query_one(Input)
        assert app.screen.query_one(OptionList).region.height >= 10
