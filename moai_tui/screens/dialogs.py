"""Questions and words on top of a screen: confirm, message, help."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen, Screen

from moai_tui.widgets.lines import Line, Lines

DIALOG_CSS = """
{name} { align: center middle; background: $background 60%; }
{name} > Vertical {
    width: auto; max-width: 90%; height: auto; max-height: 90%;
    border: round $border; background: $surface; padding: 1 2;
}
{name} Lines { width: auto; }
"""


class ConfirmDialog(ModalScreen[bool]):
    """A question: `y` or enter-on-yes does it, `n`, esc leaves everything as it is.

    `self.app.push_screen(ConfirmDialog("Stop run x?", "It saves first."), self._answered)`
    """

    DEFAULT_CSS = DIALOG_CSS.replace("{name}", "ConfirmDialog")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,q", "answer(False)", "No"),
    ]

    def __init__(self, question: str, detail: str = "", *, yes: str = "yes") -> None:
        super().__init__()
        self._question, self._detail, self._yes = question, detail, yes

    def compose(self) -> ComposeResult:
        """The question and the two keys."""
        lines: list[Line] = [[(self._question, "strong")]]
        lines += [[(line, "muted")] for line in self._detail.splitlines()]
        lines += [
            [],
            [("y", "key"), (f" {self._yes}   ", ""), ("n", "key"), (" no, leave it", "")],
        ]
        with Vertical():
            yield Lines(lines)

    def action_answer(self, answer: bool) -> None:
        """Close with the answer."""
        self.dismiss(answer)


class HelpDialog(ModalScreen[None]):
    """The keys that work on the screen below, here and now."""

    DEFAULT_CSS = DIALOG_CSS.replace("{name}", "HelpDialog")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,enter", "close", "Close")
    ]

    def __init__(self, below: Screen[Any]) -> None:
        super().__init__()
        self._below = below

    def compose(self) -> ComposeResult:
        """One line a key."""
        with Vertical():
            yield Lines([[("help", "strong")]])

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)
