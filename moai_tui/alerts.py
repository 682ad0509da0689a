"""Rings and notifies when a run that was seen alive ends or stalls; works through SSH and tmux."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from moai_tui.widgets.run_state import LIVE, state_word
from trainer_core.foreign_text import show_line

if TYPE_CHECKING:
    from moai_tui.app import MoaiApp
    from moai_tui.messages import RunsListed, RunUpdated
    from trainer_core.run.record.summary import RunSummary

SILENT_TERMINALS = frozenset({"linux", "dumb"})
"""Terminals that would show the request instead of hearing it."""


class Alerts:
    """Watches what the dashboard is told of runs, whatever screen is open."""

    def __init__(self, app: MoaiApp) -> None:
        """Watch from now on.

        Args:
            app: Brings the facts, and has the settings `bell` and `notification`.
        """
        self._app = app
        self._words: dict[str, str] = {}
        app.runs_signal.subscribe(app, self._runs_listed)
        app.run_signal.subscribe(app, self._run_updated)

    def _runs_listed(self, message: RunsListed) -> None:
        self._see(message.runs)

    def _run_updated(self, message: RunUpdated) -> None:
        self._see((message.summary,))

    def _see(self, runs: Iterable[RunSummary]) -> None:
        for run in runs:
            before, now = self._words.get(run.id), state_word(run)
            self._words[run.id] = now
            ended = before in (*LIVE, "stalled") and run.state not in LIVE
            if ended or (now == "stalled" and before is not None and before != now):
                self._tell(f"{show_line(run.name or run.id, 80)} {now}")

    def _tell(self, text: str) -> None:
        settings = self._app.settings
        if settings.bell:
            self._app.bell()
        driver = self._app._driver  # Textual has no public way to its terminal
        if settings.notification and driver is not None:
            driver.write(notification(text, os.environ))


def notification(text: str, environ: Mapping[str, str]) -> str:
    """Return the bytes that ask the terminal to notify (OSC 9); nothing where it cannot.

    Inside tmux they are handed through to the terminal around it, where tmux is set to allow it.
    """
    if environ.get("TERM", "dumb") in SILENT_TERMINALS:
        return ""
    request = f"\x1b]9;moai-tui: {show_line(text, 160)}\x07"
    if environ.get("TMUX"):
        inner = request.replace("\x1b", "\x1b\x1b")
        return f"\x1bPtmux;{inner}\x1b\\"
    return request
