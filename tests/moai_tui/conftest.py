"""The real app with scripted facts: no thread, no device, no run folder of the user."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.message import Message
from textual.screen import Screen

from moai_tui.app import MoaiApp


class RecordingLive:
    """Stands in for `live`: starts nothing and remembers every wish a screen had."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.looking_at_runs = False
        self.stopped = False

    def start(self, post: Callable[[Message], object]) -> None:
        """Start nothing."""

    def wish(self, message: Message) -> None:
        """Remember it."""
        self.heard.append(message)

    def look(self, *, runs: bool) -> None:
        """Remember whether a list of runs is on screen."""
        self.looking_at_runs = runs

    def stop(self) -> None:
        """Remember it."""
        self.stopped = True


class ScriptedApp(MoaiApp):
    """The real app; hand it facts with `post_message`, read what screens wished in `heard`.

    `first` makes the screen under test, which lies above the home screen.
    """

    def __init__(self, first: Callable[[], Screen[Any]] | None = None, **options: Any) -> None:
        self.recorded = RecordingLive()
        super().__init__(live=self.recorded, **options)
        self.repaint_seconds = 0.0  # tests do not wait for the next paint
        self.said: list[tuple[str, bool]] = []
        self.copied: list[str] = []
        self._make_first = first

    @property
    def heard(self) -> list[Message]:
        """Every wish, oldest first."""
        return self.recorded.heard

    def heard_of(self, kind: type) -> list[Any]:
        """Wishes of one kind, oldest first."""
        return [message for message in self.heard if isinstance(message, kind)]

    def on_mount(self) -> None:
        """Open the screen under test."""
        if self._make_first is not None:
            self.push_screen(self._make_first())

    def say(self, text: str, *, ok: bool = True) -> None:
        """Remember what the user was told, and show it."""
        self.said.append((text, ok))
        super().say(text, ok=ok)

    def copy_to_clipboard(self, text: str) -> None:
        """Remember what was copied."""
        self.copied.append(text)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has its own home, so nothing of the user's is read or written."""
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("MOAI_TUI_RUNS", "MOAI_TUI_THEME", "MOAI_TUI_WORKER_PYTHON", "MOAI_TUI_MODELS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def scripted_app() -> type[ScriptedApp]:
    """The class, to be built with the screen under test: `scripted_app(lambda: RunScreen("x"))`."""
    return ScriptedApp
