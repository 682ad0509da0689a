"""Questions and words on top of a screen: confirm, message, help."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen, Screen

from moai_tui.widgets.lines import Line, Lines, fit

DIALOG_CSS = """
{name} { align: center middle; background: $background 60%; }
{name} > Vertical, {name} > VerticalScroll {
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


TEXTUALS_OWN = frozenset({"screen.copy_text", "help_quit"})
"""Actions of Textual that every screen has; they are not what one asks help for."""


class HelpDialog(ModalScreen[None]):
    """The keys that work on the screen below, here and now."""

    DEFAULT_CSS = DIALOG_CSS.replace("{name}", "HelpDialog")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,enter", "close", "Close"),
        Binding("down,j", "scroll(1)", "Down", show=False),
        Binding("up,k", "scroll(-1)", "Up", show=False),
    ]

    def __init__(self, below: Screen[Any]) -> None:
        super().__init__()
        self._below = below

    def compose(self) -> ComposeResult:
        """One line a key: those of the place first, then those that work everywhere."""
        here, everywhere = self._keys()
        lines: list[Line] = [[("What works here", "title")], *here]
        lines += [[], [("Everywhere", "title")], *everywhere]
        with VerticalScroll():
            yield Lines(lines)

    def _keys(self) -> tuple[list[Line], list[Line]]:
        found: dict[str, tuple[list[str], str, str, bool]] = {}
        for node, binding, enabled, tooltip in self._below.active_bindings.values():
            if not (enabled and binding.description) or binding.action in TEXTUALS_OWN:
                continue
            keys, word, detail, _ = found.get(binding.action, ([], "", "", False))
            if binding.id or not word:  # those with an id are ours, and say it in our words
                word, detail = binding.description, tooltip or binding.tooltip
            keys.append(self.app.get_key_display(binding))
            found[binding.action] = keys, word, detail, node is self.app
        here: list[Line] = []
        everywhere: list[Line] = []
        # Keys that say what they are for come first, those one would try anyway last.
        for keys, word, detail, is_app in sorted(found.values(), key=lambda one: not one[2]):
            line = [
                (fit(" ".join(keys[:3]), 12) + " ", "key"),
                (fit(word, 26) + " ", ""),
                (detail, "muted"),
            ]
            (everywhere if is_app else here).append(line)
        return here, everywhere

    def action_scroll(self, by: int) -> None:
        """Scroll where the screen is too small for all keys."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)
