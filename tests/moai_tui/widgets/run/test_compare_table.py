"""Results in columns, and only the settings that differ."""

from __future__ import annotations

import msgspec

from moai_tui.messages import ReadRun
from moai_tui.widgets.glyphs import UNICODE
from moai_tui.widgets.run.compare_table import CompareTable
from tests.moai_tui import scripted_run
from tests.moai_tui.widget_app import WidgetApp, text_of
from trainer_core.run.config.run_config import RunConfig


def two_runs() -> tuple[ReadRun, ReadRun]:
    short = scripted_run.updated(scripted_run.training(120), "stopped")
    whole = scripted_run.updated(scripted_run.finished(), "finished")
    twice = msgspec.structs.replace(
        whole.summary, name="two-devices", devices=("cpu-0", "cpu-1"),
        tokens_per_second=1.8 * (short.summary.tokens_per_second or 0),
    )  # fmt: skip
    return (
        ReadRun(short.summary, short.view, RunConfig(size="Small")),
        ReadRun(twice, whole.view, RunConfig(size="Medium")),
    )


def test_results_speed_up_and_differing_settings() -> None:
    table = CompareTable(signs=UNICODE)
    table.show(two_runs())
    text = text_of(table.build(78, 24))
    rows = {row[:18].strip(): row[18:].split() for row in text.split("\n")}
    assert text.split("\n")[0].split() == ["a", "quiet-moai", "b", "two-devices"]
    assert rows["state"] == ["stopped", "finished"]
    assert rows["step"] == ["120/600", "600/600"]
    assert "b is 1.80 times as fast as a, on 2 devices, not 1: 90% efficient each" in text
    assert "only those that differ: 1" in text
    assert rows["size"] == ["Small", "Medium"]
    assert "learning_rate" not in rows, "the same in both"


async def test_it_scrolls_where_there_is_little_room() -> None:
    table = CompareTable(signs=UNICODE)
    table.show(two_runs())
    async with WidgetApp(table).run_test(size=(60, 8)) as pilot:
        assert "more" in table.plain
        table.scroll_rows(99)
        await pilot.pause()
        assert "more" not in table.plain
        assert "Medium" in table.plain
        assert "quiet-moai" in table.plain, "the heads stay"
