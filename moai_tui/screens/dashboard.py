"""Home: accelerators above, runs below."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.screen import Screen

from moai_tui.widgets.key_line import KeyLine
from moai_tui.widgets.title_line import TitleLine


class DashboardScreen(Screen[None]):
    """The home screen."""

    def compose(self) -> ComposeResult:
        """Title, key line."""
        yield TitleLine("accelerators and runs")
        yield KeyLine([("n", "new run"), ("enter", "open"), ("?", "help"), ("q", "quit")])
