from __future__ import annotations

import pytest
from textual import on

from moai_tui.widgets.form.action_line import ActionLine
from tests.moai_tui.widget_app import WidgetApp


class LineApp(WidgetApp):
    """Counts presses."""

    presses = 0

    @on(ActionLine.Pressed, "#start")
    def count(self) -> None:
        self.presses += 1


@pytest.mark.parametrize("key", ["enter", "space"])
async def test_a_key_presses_the_line(key: str) -> None:
    app = LineApp(ActionLine("Start", "ctrl+s", id="start"))
    async with app.run_test(size=(30, 3)) as pilot:
        app.widget.focus()
        await pilot.press(key)
        await pilot.pause()
        assert app.presses == 1


async def test_a_click_presses_it_and_its_text_can_change() -> None:
    line = ActionLine("Start", "ctrl+s", id="start")
    app = LineApp(line)
    async with app.run_test(size=(30, 3)) as pilot:
        await pilot.click(ActionLine)
        line.show("starting …")
        await pilot.pause()
        assert app.presses == 1
        assert line.render().plain == "starting …  ctrl+s"
