"""A panel that fails alone: one line in its place, everything else lives.

Textual ends the whole app for an exception in any widget. Which widget it was stands in the
traceback; that one draws a sentence from then on, and is taken off the screen if it fails again.
"""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from rich.segment import Segment
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from trainer_core.folders import state_root
from trainer_core.foreign_text import show, show_line

if TYPE_CHECKING:
    from textual.app import App

LOG_BYTES = 256 * 1024
LOG_NAME = "dashboard.log"
"""In the state root: tracebacks of failed panels, begun anew when it is long."""

_failures: WeakKeyDictionary[Widget, int] = WeakKeyDictionary()


def contain(app: App[int], error: Exception) -> bool:
    """Put a sentence in the place of the panel that raised an error, the first time.

    The second time the panel is switched off; what it raises after that is swallowed.

    Returns:
        False where no panel can be blamed: the app has to end.
    """
    widget = blamed(error)
    if widget is None:
        return False
    failures = _failures.get(widget, 0) + 1
    _failures[widget] = failures
    if failures == 1:
        _log(error)
        name = type(widget).__name__
        _say_instead(widget, show_line(f"{name} failed: {type(error).__name__}: {error}", 300))
    elif failures == 2:
        _log(error)
        widget.display = False
    else:
        return True
    app.screen.refresh(layout=True)
    return True


def blamed(error: BaseException) -> Widget | None:
    """Return the innermost widget at work when the error was raised; a screen is none."""
    found = None
    step = error.__traceback__
    while step is not None:
        actor = step.tb_frame.f_locals.get("self")
        if isinstance(actor, Widget) and not isinstance(actor, Screen) and actor.is_attached:
            found = actor
        step = step.tb_next
    return found


def _say_instead(widget: Widget, text: str) -> None:
    """Give this one widget another drawing, whatever its class does."""

    def render_line(y: int) -> Strip:
        width = widget.size.width
        style = widget.rich_style
        return Strip([Segment(text[y * width : (y + 1) * width] or " ", style)]).adjust_cell_length(
            width, style
        )

    widget.render_line = render_line  # type: ignore[method-assign]


def _log(error: BaseException) -> None:
    """Keep the traceback for a report; a disk that takes none is no second failure."""
    text = "".join(traceback.format_exception(error))
    try:
        path = state_root() / LOG_NAME
        mode = "a" if path.exists() and path.stat().st_size < LOG_BYTES else "w"
        with path.open(mode, encoding="utf-8", errors="replace") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}\n{show(text, LOG_BYTES)}\n")
    except OSError:
        return
