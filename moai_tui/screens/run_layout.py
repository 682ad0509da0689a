"""Which panels of the run screen are shown, for the room there is and where the run stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.geometry import Size

from moai_tui.widgets.run_state import LIVE, RESUMABLE

WIDE = Size(106, 30)
"""From here the chart has the numbers beside it and a second panel below it."""

HUGE = Size(140, 40)
"""From here phases and log stand side by side."""

RUN_CSS = """
RunScreen { layout: vertical; }
RunScreen #overview, RunScreen #lower { height: 1fr; padding: 0 1; }
RunScreen #curve { height: 1fr; }
RunScreen #opening { height: 1fr; }
RunScreen #numbers { layout: horizontal; height: 9; }
RunScreen #metrics { width: 1fr; height: 1fr; margin: 0 2 0 0; }
RunScreen #devices { width: 1fr; height: 1fr; }
RunScreen #outcome { layout: vertical; height: 1fr; width: 1fr; }
RunScreen #phases, RunScreen #log { width: 1fr; height: 1fr; }
RunScreen #phases { max-width: 90; margin: 0 2 0 0; }
RunScreen #result { height: 7; margin: 0 0 1 0; }
RunScreen #samples { height: 1fr; }
RunScreen.-wide #overview { layout: horizontal; height: 3fr; }
RunScreen.-wide #lower { height: 2fr; margin: 1 0 0 0; }
RunScreen.-wide #curve { width: 1fr; height: 1fr; margin: 0 2 0 0; }
RunScreen.-wide #numbers { layout: vertical; width: 46; height: 1fr; }
RunScreen.-wide #metrics { width: 1fr; height: 11; margin: 0; }
RunScreen.-wide #outcome { layout: horizontal; }
RunScreen.-wide #result { width: 1fr; height: 1fr; margin: 0 2 0 0; }
RunScreen.-wide #samples { width: 1fr; }
RunScreen #result.-alone { height: 1fr; }
"""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What is shown."""

    wide: bool
    ended: bool
    opened: int
    shown: dict[str, bool]
    """Widget id → whether it is displayed."""


def arrange(
    size: Size,
    opened: int,
    *,
    ended: bool,
    plotted: bool,
    failed: bool = False,
    logged: bool = True,
) -> Arrangement:
    """Decide which panels are shown.

    Args:
        size: Cells of the screen.
        opened: The open panel: 0 loss, 1 phases, 2 log, 3 outcome.
        ended: Whether the run has no supervisor any more.
        failed: Whether it ended badly; then the cause gets the room of the samples.
        plotted: Whether there is a curve to draw; before it the phases stand in the chart's place.
        logged: Whether the log has a line; if not, the phases have more to say.
    """
    wide = size.width >= WIDE.width and size.height >= WIDE.height
    huge = size.width >= HUGE.width and size.height >= HUGE.height
    outcome = opened == 3 or (wide and opened == 0 and ended)
    beside = opened == 0 and not outcome
    phases = opened == 1 or (huge and opened == 2) or (beside and plotted and (huge or not logged))
    log = opened == 2 or (huge and opened == 1) or (beside and wide and (logged or not phases))
    shown = {
        "overview": wide or opened == 0,
        "lower": wide or opened != 0,
        "chart": plotted,
        "opening": not plotted,
        "phases": phases,
        "log": log,
        "outcome": outcome,
        "result": ended,
        "samples": wide or not failed,
    }
    return Arrangement(wide, ended, opened, shown)


def panel_names(*, ended: bool) -> tuple[str, ...]:
    """Return the names of the panels, in the order of their digits."""
    return ("loss", "phases", "log", "result" if ended else "samples")


def hints_for(state: str | None, opened: int) -> Sequence[tuple[str, str]]:
    """Return the keys for the last line, most important first."""
    hints: list[tuple[str, str]] = []
    if state in LIVE:
        hints += [("q", "leave, the run goes on"), ("s", "stop")]
    elif state in RESUMABLE:
        hints += [("R", "resume")]
    elif state == "finished":
        hints += [("n", "new run")]
    if opened == 3:
        hints.append(("[ ]", "prompts"))
    elif opened == 0:
        hints.append(("l", "log scale"))
    hints += [("y", "copy"), ("esc", "back"), ("?", "help")]
    hints += [("left right", "values")] if opened == 0 else []
    hints.append(("tab 1-4", "panels"))
    return hints
