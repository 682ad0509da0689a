"""The settings: each with its value and where that comes from; enter changes it."""

from __future__ import annotations

import os
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input

from moai_tui.messages import SettingWanted
from moai_tui.settings import KEYS, VARIABLES_OF, Settings, settings_path
from moai_tui.signals import dashboard
from moai_tui.widgets.dashboard.cursor_list import CursorList
from moai_tui.widgets.key_line import KeyLine
from moai_tui.widgets.lines import Line, Lines, fit
from moai_tui.widgets.title_line import TitleLine
from trainer_core.foreign_text import show_line

HINTS = (("enter", "change"), ("up down", "choose"), ("?", "help"), ("esc", "back"))
KEY_WIDTH, VALUE_WIDTH = 20, 18

PURPOSES = {
    "theme": "auto takes what suits the terminal; the palette (ctrl+p) lists the names.",
    "refresh": "Seconds between two readings of the devices.",
    "storage.runs": "Where run folders lie, with their checkpoints; none is your home.",
    "worker.python": "The Python whose torch trains; none is the one that runs this dashboard.",
    "models.folders": "Folders with models of your own, offered first in the form.",
    "share.run_names": "Whether other users of this machine read what your runs are called.",
    "view_only": "Whether this dashboard only looks: nothing is started, stopped or changed.",
    "alerts.bell": "Whether the terminal rings when a run ends or stalls.",
    "alerts.notification": "Whether the terminal is asked to notify you then (OSC 9).",
}
"""What each setting does, in a sentence."""


class SettingsScreen(Screen[None]):
    """Every setting of the file; a change holds from the next start."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "change", "Change", id="settings.change", tooltip="Nothing: the default"),
        Binding("escape", "leave", "Back", show=False),
    ]

    DEFAULT_CSS = """
    SettingsScreen CursorList { margin-top: 1; height: 1fr; }
    SettingsScreen #purpose { height: 1; padding: 0 1; }
    SettingsScreen #value { margin: 0 1; }
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def compose(self) -> ComposeResult:
        """The list, the line one types in, and the keys."""
        yield TitleLine("settings", show_line(str(settings_path()), 60))
        yield CursorList()
        yield Lines(id="purpose")
        yield Input(id="value")
        yield KeyLine(HINTS)

    def on_mount(self) -> None:
        """List the settings."""
        self.query_one("#value", Input).display = False
        self.query_one(CursorList).focus()

    def on_resize(self) -> None:
        """Fit the lines again once the list knows its width."""
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        entries = [(key, setting_line(key, self._settings)) for key in KEYS]
        head: Line = [
            (fit("setting", KEY_WIDTH) + "  " + fit("value", VALUE_WIDTH) + "  from", "muted")
        ]
        self.query_one(CursorList).show_entries([head], entries)
        self._tell_purpose()

    @on(CursorList.Moved)
    def _tell_purpose(self) -> None:
        key = self.query_one(CursorList).cursor
        self.query_one("#purpose", Lines).show_lines([[(PURPOSES.get(key or "", ""), "muted")]])

    def action_change(self) -> None:
        """Type another value for the setting under the cursor."""
        key = self.query_one(CursorList).cursor
        if key is None or not dashboard(self).may_change():
            return
        field = self.query_one("#value", Input)
        field.placeholder = f"{key}; nothing takes it out of your file"
        field.value = value_text(key, self._settings)
        field.display = True
        field.focus()

    @on(Input.Submitted, "#value")
    def _typed(self, event: Input.Submitted) -> None:
        event.stop()
        key = self.query_one(CursorList).cursor
        if key is not None:
            self.post_message(SettingWanted(key, event.value.strip()))
            if key == "theme" and event.value.strip() in self.app.available_themes:
                self.app.theme = event.value.strip()
        self.action_leave()

    def action_leave(self) -> None:
        """Put the line away; without one go back."""
        field = self.query_one("#value", Input)
        if field.display:
            field.display = False
            self.query_one(CursorList).focus()
        else:
            dashboard(self).go_back()


def setting_line(key: str, settings: Settings) -> Line:
    """Return one setting: name, value, and whether a variable, a file or the default set it."""
    origin = settings.origins.get(key)
    value = value_text(key, settings)
    return [
        (fit(key, KEY_WIDTH) + "  ", "strong"),
        (fit(show_line(value, 200) if value else "none", VALUE_WIDTH) + "  ", ""),
        (show_line(origin, 200) if origin else f"default (or {VARIABLES_OF[key]})", "muted"),
    ]


def value_text(key: str, settings: Settings) -> str:
    """Return a value as one would type it; nothing where there is none."""
    value = getattr(settings, KEYS[key][0])
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return os.pathsep.join(value)
    return "" if value is None else str(value)
