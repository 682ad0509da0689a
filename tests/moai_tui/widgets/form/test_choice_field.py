from __future__ import annotations

from textual import on
from textual.pilot import Pilot

from moai_tui.widgets.form.choice_field import ChoiceField
from moai_tui.widgets.form.field_spec import YES_NO, Choice
from tests.moai_tui.widget_app import WidgetApp

METHODS = tuple(
    Choice(value=word, label=word, enabled=word != "qlora") for word in ("full", "lora", "qlora")
)


class FieldApp(WidgetApp):
    """Collects what the field tells its parent."""

    def __init__(self, field: ChoiceField) -> None:
        super().__init__(field)
        self.picked: list[object] = []
        self.lists = 0

    @on(ChoiceField.Picked)
    def note(self, event: ChoiceField.Picked) -> None:
        self.picked.append(event.value)

    @on(ChoiceField.ListWanted)
    def count(self) -> None:
        self.lists += 1


async def press(app: FieldApp, *keys: str) -> None:
    async with app.run_test(size=(30, 3)) as pilot:
        app.widget.focus()
        await pilot.press(*keys)
        await pilot.pause()


async def test_arrows_step_through_what_can_be_picked_and_stop_at_the_ends() -> None:
    app = FieldApp(ChoiceField(METHODS))
    await press(app, "left", "right", "right", "right")
    assert app.picked == ["lora"]


async def test_enter_asks_for_the_list() -> None:
    app = FieldApp(ChoiceField(METHODS))
    await press(app, "enter", "space")
    assert app.lists == 2
    assert app.picked == []


async def test_space_flips_a_switch() -> None:
    app = FieldApp(ChoiceField(YES_NO))
    await press(app, "space", "space")
    assert app.picked == [True, False]


async def test_a_value_from_above_is_shown_and_not_posted() -> None:
    app = FieldApp(ChoiceField(METHODS))
    async with app.run_test(size=(30, 3)) as pilot:
        field = app.query_one(ChoiceField)
        field.show("lora")
        await pilot.pause()
        assert field.render().plain == "lora ▾"
        field.show(None, open_text="auto")
        assert field.render().plain == "auto ▾"
        assert app.picked == []


async def test_a_click_opens_the_list() -> None:
    app = FieldApp(ChoiceField(METHODS))
    async with app.run_test(size=(30, 3)) as pilot:
        assert isinstance(pilot, Pilot)
        await pilot.click(ChoiceField)
        await pilot.pause()
        assert app.lists == 1
