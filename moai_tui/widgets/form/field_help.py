"""Two lines at the bottom: what the focused field means, and in full why it has its value."""

from __future__ import annotations

import textwrap

from moai_tui.widgets.form.field_row import FieldRow
from moai_tui.widgets.lines import Lines, fit
from trainer_core.foreign_text import show_line

HEIGHT = 2
"""Lines, always: nothing is laid out again when the focus moves."""


class FieldHelp(Lines):
    """Help and reason of a field; a mistake takes the place of both."""

    DEFAULT_CSS = """
    FieldHelp { height: 2; padding: 0 1; }
    """

    def explain(self, row: FieldRow) -> None:
        """Show the mistake or the help of a field."""
        if row.problem:
            self.say(f"✗ {row.spec.label}: {row.problem}", "bad")
        else:
            self._fill([(row.spec.help, ""), (self._reason(row), "muted")])

    def say(self, text: str, style: str = "") -> None:
        """Show one sentence, literally, over both lines if it is long."""
        lines = textwrap.wrap(show_line(text), max(20, self.size.width))
        if len(lines) > HEIGHT:
            lines = [lines[0], " ".join(lines[1:])]
        self._fill([(line, style) for line in lines])

    def _reason(self, row: FieldRow) -> str:
        state = row.state
        if state.value is None and state.default:
            return f"Default {state.default}: {state.hint}" if state.hint else ""
        return state.hint

    def _fill(self, lines: list[tuple[str, str]]) -> None:
        width = self.size.width
        lines += [("", "")] * (HEIGHT - len(lines))
        self.show_lines([[(fit(show_line(text), width), style)] for text, style in lines])
