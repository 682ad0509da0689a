"""Which panels of the run screen are shown, for the room there is and where the run stands."""

from __future__ import annotations

from dataclasses import dataclass

from textual.geometry import Size

PANELS = 5
OVERVIEW, PHASES, LOG, OUTCOME, TIME = range(PANELS)

WIDE = Size(106, 30)
"""From here the chart has the numbers beside it and a second panel below it."""

HUGE = Size(140, 40)
"""From here the log has phases or times beside it."""

RUN_CSS = """
RunScreen { layout: vertical; }
RunScreen #overview, RunScreen #lower { height: 1fr; padding: 0 1; }
RunScreen #curve { height: 1fr; }
RunScreen #opening { height: 1fr; }
RunScreen #numbers { layout: horizontal; height: 9; }
RunScreen #metrics { width: 1fr; height: 1fr; margin: 0 2 0 0; }
RunScreen #devices { width: 1fr; height: 1fr; }
RunScreen #outcome { layout: vertical; height: 1fr; width: 1fr; }
RunScreen #phases, RunScreen #log, RunScreen #time { width: 1fr; height: 1fr; }
RunScreen #phases, RunScreen #time { max-width: 90; margin: 0 2 0 0; }
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
        opened: The open panel: `OVERVIEW`, `PHASES`, `LOG`, `OUTCOME` or `TIME`.
        ended: Whether the run has no supervisor any more.
        failed: Whether it ended badly; then the cause gets the room of the samples.
        plotted: Whether there is a curve to draw; before it the phases stand in the chart's place.
        logged: Whether the log has a line; if not, the phases have more to say.
    """
    wide = size.width >= WIDE.width and size.height >= WIDE.height
    huge = size.width >= HUGE.width and size.height >= HUGE.height
    outcome = opened == OUTCOME or (wide and opened == OVERVIEW and ended)
    beside = opened == OVERVIEW and not outcome
    phases = opened == PHASES or (huge and opened == LOG) or (beside and plotted and not logged)
    log = (
        opened == LOG
        or (huge and opened in (PHASES, TIME))
        or (beside and wide and (logged or not phases))
    )
    shown = {
        "overview": wide or opened == OVERVIEW,
        "lower": wide or opened != OVERVIEW,
        "chart": plotted,
        "opening": not plotted,
        "phases": phases,
        "log": log,
        "time": opened == TIME or (beside and huge and plotted and logged),
        "outcome": outcome,
        "result": ended,
        "samples": wide or not failed,
    }
    return Arrangement(wide, ended, opened, shown)


def panel_names(*, ended: bool) -> tuple[str, ...]:
    """Return the names of the panels, in the order of their digits."""
    return ("loss", "phases", "log", "result" if ended else "samples", "time")
