from __future__ import annotations

from dataclasses import replace

from moai_tui.widgets.dashboard.accelerator_list import AcceleratorList, DeviceList
from tests.moai_tui.widget_app import WidgetApp


async def test_rows_are_the_platforms_and_can_be_chosen(facts):
    app = WidgetApp(AcceleratorList())
    async with app.run_test(size=(80, 10)) as pilot:
        app.widget.focus()
        await pilot.pause()
        app.widget.show_rows(facts.reading(facts.cards(), 2, 1).rows)
        await pilot.press("down")
        assert app.widget.index == 1
        assert "Medium.160GB" in app.widget.plain


async def test_hundreds_of_devices_scroll(facts):
    (card,) = facts.cards(1)
    many = [replace(card, uuid=f"G{n}", index=n) for n in range(384)]
    app = WidgetApp(DeviceList({}))
    async with app.run_test(size=(80, 8)) as pilot:
        app.widget.styles.height = 8
        app.widget.focus()
        await pilot.pause()
        app.widget.show_devices(many, {})
        await pilot.press("G")
        assert app.widget.uuid == "G383"
        lines = app.widget.plain.splitlines()
        assert len(lines) == 8
        assert lines[-1].split()[0] == "383"
