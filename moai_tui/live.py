"""The only module that starts threads."""

from __future__ import annotations

from typing import Protocol

from textual.message import Message


class Facts(Protocol):
    """What the app asks of `live`; a test hands in its own."""

    def start(self, post: object) -> None:
        """Begin reading."""
        ...

    def wish(self, message: Message) -> None:
        """Take up a wish of a screen; the answer comes as a message."""
        ...

    def look(self, *, runs: bool) -> None:
        """Say whether a list of runs is on screen."""
        ...

    def stop(self) -> None:
        """End every thread and child."""
        ...
