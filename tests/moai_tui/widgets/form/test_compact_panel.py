from __future__ import annotations

from moai_tui.widgets.form.compact_panel import CompactPanel
from moai_tui.widgets.form.form_state import FormState
from tests.moai_tui.form_facts import REPORT, VERDICT
from tests.moai_tui.widget_app import WidgetApp


async def test_one_place_shows_verdict_or_data_and_says_how_to_see_the_other() -> None:
    app = WidgetApp(CompactPanel())
    async with app.run_test(size=(80, 8)) as pilot:
        panel = app.query_one(CompactPanel)
        panel.state = FormState(verdict=VERDICT, report=REPORT)
        await pilot.pause()
        assert "fits" in panel.plain
        assert panel.plain.split("\n")[0].endswith("ctrl+t data")
        panel.page = "data"
        await pilot.pause()
        assert "8,244 rows" in panel.plain
        assert panel.plain.split("\n")[0].endswith("ctrl+t verdict")
