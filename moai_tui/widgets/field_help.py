"""The line at the bottom: what the focused field means, or in full what is wrong with it."""

from __future__ import annotations

from moai_tui.widgets.field_row import FieldRow
from moai_tui.widgets.lines import Lines, fit
from trainer_core.foreign_text import show_line


class FieldHelp(Lines):
    """One line of text; a mistake goes before the help."""

    DEFAULT_CSS = """
    FieldHelp { height: 1; padding: 0 1; }
    """

    def explain(self, row: FieldRow) -> None:
        """Show the mistake or the help of a field."""
        if row.problem:
            self.say(f"✗ {row.spec.label}: {row.problem}", "bad")
        else:
            self.say(row.spec.help, "muted")

    def say(self, text: str, style: str = "") -> None:
        """Show one sentence, literally."""
        self.show_lines([[(fit(show_line(text), self.size.width), style)]])
