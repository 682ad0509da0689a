"""What is shown where there is little room, and where there is much."""

from __future__ import annotations

import pytest
from textual.geometry import Size

from moai_tui.screens.run_layout import arrange, panel_names

SMALL, WIDE, HUGE = Size(80, 24), Size(120, 40), Size(160, 48)


def shown(size: Size, opened: int, *, ended: bool = False, plotted: bool = True,
          failed: bool = False, logged: bool = True) -> set[str]:  # fmt: skip
    found = arrange(size, opened, ended=ended, plotted=plotted, failed=failed, logged=logged).shown
    return {name for name, visible in found.items() if visible}


@pytest.mark.parametrize(
    ("opened", "panels"),
    [
        (0, {"overview"}),
        (1, {"lower", "phases"}),
        (2, {"lower", "log"}),
        (3, {"lower", "outcome"}),
        (4, {"lower", "time"}),
    ],
)
def test_small_screens_show_one_panel(opened: int, panels: set[str]) -> None:
    assert (
        shown(SMALL, opened) & {"overview", "lower", "phases", "log", "outcome", "time"} == panels
    )


def test_before_the_first_point_the_phases_take_the_place_of_the_chart() -> None:
    assert "opening" in shown(SMALL, 0, plotted=False)
    assert "chart" not in shown(SMALL, 0, plotted=False)
    assert "opening" not in shown(SMALL, 0)


def test_wide_screens_keep_the_chart_beside_every_panel() -> None:
    for opened in range(4):
        assert {"overview", "lower", "chart"} <= shown(WIDE, opened)
    assert "log" in shown(WIDE, 0)
    assert "outcome" in shown(WIDE, 0, ended=True)


def test_an_empty_log_makes_room_for_the_phases() -> None:
    assert {"log", "phases"} & shown(WIDE, 0) == {"log"}
    assert {"log", "phases"} & shown(WIDE, 0, logged=False) == {"phases"}
    assert {"log", "phases"} & shown(WIDE, 0, logged=False, plotted=False) == {"log"}
    assert {"log", "phases"} & shown(WIDE, 2, logged=False) == {"log"}


def test_large_screens_have_something_beside_the_log() -> None:
    assert {"time", "log"} <= shown(HUGE, 0)
    assert {"time", "log"} <= shown(HUGE, 4)
    for opened in (1, 2):
        assert {"phases", "log"} <= shown(HUGE, opened)
    assert not {"phases", "log"} & shown(HUGE, 3)


def test_a_failure_gets_the_room_of_the_samples_on_a_small_screen() -> None:
    assert "samples" not in shown(SMALL, 3, ended=True, failed=True)
    assert "samples" in shown(WIDE, 3, ended=True, failed=True)


def test_the_last_panel_is_called_result_at_the_end() -> None:
    assert panel_names(ended=False)[3] == "samples"
    assert panel_names(ended=True)[3] == "result"
