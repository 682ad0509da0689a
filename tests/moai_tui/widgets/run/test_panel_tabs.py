"""The names of the panels."""

from __future__ import annotations

from moai_tui.widgets.run.panel_tabs import PanelTabs
from tests.moai_tui.widget_app import WidgetApp, styles_of


async def test_the_open_panel_is_marked() -> None:
    widget = PanelTabs(("loss", "log"))
    async with WidgetApp(widget).run_test(size=(40, 2)):
        assert widget.plain == " 1 loss   2 log"
        widget.show(("loss", "log"), 1)
        assert styles_of(widget.lines[0]) == {"1 loss": "muted", "2 log": "cursor"}
