"""The exact command that starts the same run, to read and to paste."""

from __future__ import annotations

import textwrap
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from moai_tui.widgets.lines import Line, Lines
from trainer_core.foreign_text import show_line

WIDTH = 70


class CommandScreen(ModalScreen[None]):
    """Shows a command that was copied."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,ctrl+y", "leave", "close", id="command.leave"),
    ]

    DEFAULT_CSS = """
    CommandScreen { align: center middle; background: $background 0%; }
    CommandScreen > Vertical {
        width: 76; height: auto; border: round $border; background: $surface; padding: 0 2;
    }
    """

    def __init__(self, command: str) -> None:
        super().__init__()
        self._command = command

    def compose(self) -> ComposeResult:
        """The command, then what became of it."""
        text = show_line(self._command)
        parts = textwrap.wrap(text, WIDTH - 2, break_on_hyphens=False)
        lines: list[Line] = [[(parts[0], "strong")]]
        lines += [[(f"  {part}", "strong")] for part in parts[1:]]
        lines += [[], [("copied through the terminal   esc close", "muted")]]
        with Vertical() as box:
            box.border_title = "the same run from a shell"
            yield Lines(lines)

    def action_leave(self) -> None:
        """Close."""
        self.dismiss(None)
