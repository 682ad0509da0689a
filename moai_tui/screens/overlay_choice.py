"""The other run whose curve a chart shows below its own: picked, read, taken away again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.screen import Screen

from moai_tui.messages import RunsToCompareRead, RunsToCompareWanted
from moai_tui.screens.pick_run import PickRunDialog
from moai_tui.signals import dashboard
from moai_tui.widgets.run.curve_plot import Overlay
from moai_tui.widgets.run_table import run_title


class OverlayChoice:
    """Serves the run screen."""

    def __init__(self, screen: Screen[Any], run_id: str, changed: Callable[[], None]) -> None:
        """Serve a screen.

        Args:
            screen: Posts the wish and shows the list.
            run_id: The screen's own run, which is not offered.
            changed: Called when there is something else to draw.
        """
        self._screen, self._run_id, self._changed = screen, run_id, changed
        self._wanted: tuple[str, ...] = ()
        self.overlays: tuple[Overlay, ...] = ()
        """What is drawn below the run."""
        dashboard(screen).compared_signal.subscribe(screen, self._read)

    def toggle(self) -> None:
        """Ask for a run to draw, or take the drawn one away."""
        if self.overlays:
            self._wanted, self.overlays = (), ()
            self._changed()
        else:
            self._screen.app.push_screen(PickRunDialog(besides=self._run_id), self._picked)

    def _picked(self, run_id: str | None) -> None:
        if run_id is not None:
            self._wanted = (run_id,)
            self._screen.post_message(RunsToCompareWanted(self._wanted))

    def _read(self, message: RunsToCompareRead) -> None:
        if message.wanted != self._wanted:
            return
        if message.problem is not None:
            dashboard(self._screen).say(message.problem, ok=False)
        self.overlays = tuple(
            Overlay(run_title(read.summary), read.view.smoothed_loss) for read in message.runs
        )
        self._changed()
