"""One physical device in one line, under the names of its columns."""

from __future__ import annotations

from dataclasses import replace

import pytest

from moai_tui.widgets.dashboard.device_line import device_head, device_line, short_name
from moai_tui.widgets.dashboard.meter import History


def words(line):
    return "".join(text for text, _ in line)


@pytest.mark.parametrize("width", [110, 149, 150, 170, 200, 300])
@pytest.mark.parametrize("named", [False, True])
def test_figures_stand_under_the_names_of_their_columns(facts, width, named):
    card = replace(
        facts.cards()[1],
        clock_mhz=1755,
        memory_clock_mhz=2619,
        memory_temperature_celsius=79.0,
        memory_utilization_percent=61.0,
    )
    head = words(device_head(width, named=named))
    line = words(device_line(card, History(), {}, width, named=named, full=True))
    assert len(head) == len(line) == width
    assert line.index("me") == head.index("Held by")
    assert line.index("34°C") + 4 == head.index("Temp") + 4
    assert line.index("652/700 W") + 9 == head.index("Power") + 5
    shown = ["79°C", "1755 MHz", "2619 MHz", "61%"]
    assert [text in line for text in shown] == [width >= 170] * 4
    if width >= 170:
        assert line.index("2619 MHz") + 8 == head.index("Mem clock") + 9


def test_a_name_is_shown_without_its_maker():
    assert short_name("NVIDIA H100 80GB HBM3") == "H100 80GB HBM3"
    assert short_name("AMD Instinct MI250X") == "MI250X"
    assert short_name("NVIDIA A100-SXM4-40GB MIG 1g.5gb") == "A100-SXM4-40GB MIG 1g.5gb"
