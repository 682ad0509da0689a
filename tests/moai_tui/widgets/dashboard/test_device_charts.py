"""Four numbers of a device over time."""

from __future__ import annotations

from dataclasses import replace

from moai_tui.widgets.dashboard.device_charts import chart, traces_of
from moai_tui.widgets.dashboard.meter import DeviceHistory


def past_of(*devices):
    past = DeviceHistory()
    for device in devices:
        past.add(device)
    return past


def plain(lines):
    return ["".join(text for text, _ in line) for line in lines]


def test_the_newest_values_stand_on_the_right_between_nothing_and_the_top(facts):
    card = facts.cards()[1]
    loads = [replace(card, utilization_percent=load) for load in (0.0, 50.0, None, 100.0)]
    load, memory, heat, power = traces_of(card, past_of(*loads))
    head, upper, lower = plain(chart(load, 24, 2))
    assert head == "Utilization  97%  0 to 100%"[:24] or head.startswith("Utilization  97%")
    assert (upper[-4:], lower[-4:]) == ("   █", "▁█ █")
    assert upper.strip() == "█", "nothing stands where nothing was read"
    assert memory.now == "56.0 GiB of 79.6 GiB"
    assert (heat.scale, power.scale) == ("100°C", "700 W")
    assert all(len(line) == 24 for line in (upper, lower))


def test_what_is_unknown_is_a_dash_and_what_is_beyond_its_limit_still_fits(facts):
    silent = replace(
        facts.cpu[0], memory_used_bytes=None, utilization_percent=None, power_watts=None
    )
    hot = replace(silent, temperature_celsius=140.0)
    load, memory, heat, power = traces_of(hot, past_of(silent, hot))
    assert (load.now, power.now, heat.now) == ("–", "–", "140°C")
    assert heat.top == 140.0
    assert plain(chart(heat, 20, 3))[1][-1] == "█"
    assert "".join(plain(chart(memory, 20, 3))[1:]).strip() == ""
    assert "to" not in plain(chart(power, 20, 3))[0], "what is never told has no scale"
