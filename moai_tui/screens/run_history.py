"""Every run on this machine."""

from __future__ import annotations

from textual.screen import Screen


class RunHistoryScreen(Screen[None]):
    """The runs page."""
