"""Verdict or data in a few lines, for terminals with no room for both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from textual.reactive import reactive

from moai_tui.widgets.form.data_preview import data_lines
from moai_tui.widgets.form.form_state import FormState
from moai_tui.widgets.form.state_panel import StatePanel
from moai_tui.widgets.form.verdict_panel import verdict_lines
from moai_tui.widgets.lines import Line

Page = Literal["verdict", "data"]
TITLES: dict[Page, str] = {"verdict": "Verdict", "data": "Data"}


class CompactPanel(StatePanel):
    """Two pages on one place; changing the page repaints these lines only, nothing is laid out."""

    DEFAULT_CSS = """
    CompactPanel { height: 8; }
    """

    page: reactive[Page] = reactive[Page]("verdict", init=False, repaint=False)
    """What is shown."""

    def watch_page(self) -> None:
        """Draw the other page."""
        self.repaint()

    def lines_of(self, state: FormState, width: int, height: int) -> Sequence[Line]:
        """Both titles, the shown one strong, then its lines."""
        other = "data" if self.page == "verdict" else "verdict"
        rule = "─" * max(0, width - 33)
        head: Line = (
            ("─ ", "faint"),
            ("Verdict", "strong" if self.page == "verdict" else "muted"),
            (" ─ ", "faint"),
            ("Data", "strong" if self.page == "data" else "muted"),
            (f" {rule} ", "faint"),
            (f"ctrl+t {other}".rjust(14), "muted"),
        )
        draw = verdict_lines if self.page == "verdict" else data_lines
        return [head, *draw(state, width, height - 1)]
