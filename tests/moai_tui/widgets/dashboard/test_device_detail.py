from __future__ import annotations

from dataclasses import replace

from moai_tui.widgets.dashboard.device_detail import (
    LINES,
    DeviceDetail,
    device_facts,
    flowing,
    health_words,
    holding_words,
)
from tests.moai_tui.widget_app import WidgetApp


def test_what_is_wrong_comes_first_and_what_is_unknown_is_left_out(facts):
    card = facts.cards(1)[0]
    ill = replace(card, ecc_errors=2, throttle_reasons=("power limit", "hot"), clock_mhz=1755)
    texts = [text for text, _ in device_facts(ill)]
    assert texts[1:4] == ["2 memory errors", "slowed: power limit, hot", "clock 1755 MHz"]
    assert health_words(card) == []
    assert not any("errors" in text or "None" in text for text, _ in device_facts(card))
    well = [text for text, _ in device_facts(replace(card, ecc_errors=0))]
    assert "no memory errors" in well


def test_a_held_device_says_by_whom_and_until_when(facts, frozen_clock):
    held = replace(
        facts.cards(1)[0],
        held_by="r1",
        held_by_user="bob",
        held_since=frozen_clock - 3600,
        held_until=frozen_clock + 3600,
    )
    assert holding_words(held) == "held by bob since 11:00 until about 13:00"
    assert holding_words(facts.cards(1)[0]) is None


def test_facts_flow_over_lines():
    lines = flowing([("aaaa", ""), ("bbbb", ""), ("cccc", "")], 11)
    assert ["".join(text for text, _ in line) for line in lines] == ["aaaa · bbbb", "cccc"]


async def test_processors_of_a_cpu_device_are_ranges(facts):
    app = WidgetApp(DeviceDetail())
    async with app.run_test(size=(60, 5)) as pilot:
        await pilot.pause()
        app.widget.show_device(replace(facts.cpu[0], cores=(0, 1, 2, 3, 8)))
        assert "processors 0-3, 8" in app.widget.plain
        assert len(app.widget.lines) <= LINES
        app.widget.show_device(None)
        assert app.widget.plain == ""
