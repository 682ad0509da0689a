"""Small questions about one run: a number, its name and notes, what to copy of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, TextArea

from moai_tui.screens.dialogs import DIALOG_CSS
from moai_tui.widgets.lines import Line, Lines
from moai_tui.widgets.painted import cut
from moai_tui.widgets.run.run_result import Copyable
from trainer_core.foreign_text import show_line


class NumberDialog(ModalScreen[float | None]):
    """Asks for one number above 0; enter gives it, esc leaves everything as it is."""

    DEFAULT_CSS = (
        DIALOG_CSS.replace("{name}", "NumberDialog")
        + """
    NumberDialog > Vertical { width: 62; }
    NumberDialog Lines { width: 1fr; }
    NumberDialog Input { margin: 1 0; }
    """
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Leave it")]

    def __init__(
        self, question: str, detail: str = "", *, whole: bool = False, most: float = math.inf
    ) -> None:
        """Make the question.

        Args:
            question: The first line.
            detail: A line below it.
            whole: Whether only whole numbers will do.
            most: Largest number that makes sense.
        """
        super().__init__()
        self._question, self._detail = question, detail
        self._whole, self._most = whole, most

    def compose(self) -> ComposeResult:
        """The question, the field, the keys or what is wrong."""
        with Vertical():
            yield Lines([[(self._question, "strong")], [(self._detail, "muted")]])
            yield Input(placeholder="200" if self._whole else "1e-4")
            yield Lines([KEYS], id="answer")

    def action_leave(self) -> None:
        """Close without a number."""
        self.dismiss(None)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.query_one("#answer", Lines).show_lines([KEYS])

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        value = self._number(event.value)
        if value is not None:
            self.dismiss(value)
            return
        kind = "a whole number" if self._whole else "a number"
        limit = f", {self._most:g} at most" if math.isfinite(self._most) else ""
        wrong: Line = [(f"Type {kind} above 0{limit}.", "bad")]
        self.query_one("#answer", Lines).show_lines([wrong])

    def _number(self, text: str) -> float | None:
        try:
            value = int(text.replace(",", "")) if self._whole else float(text)
        except ValueError:
            return None
        return value if 0 < value <= self._most and math.isfinite(value) else None


KEYS: Line = [("enter", "key"), (" do it   ", "muted"), ("esc", "key"), (" leave it", "muted")]


@dataclass(frozen=True, slots=True)
class Words:
    """What people say of a run."""

    name: str
    tags: str
    """Apart by spaces or commas."""
    notes: str


class WordsDialog(ModalScreen[Words | None]):
    """Name, tags and notes of a run; enter in a line or ctrl+s keeps them."""

    DEFAULT_CSS = (
        DIALOG_CSS.replace("{name}", "WordsDialog")
        + """
    WordsDialog > Vertical { width: 70; }
    WordsDialog Lines { width: 1fr; }
    WordsDialog Label { margin: 1 0 0 0; color: $muted; }
    WordsDialog TextArea { height: 6; border: none; padding: 0 1; background: $panel; }
    WordsDialog #keys { margin: 1 0 0 0; }
    """
    )
    CSS = "WordsDialog Input { background: $panel; }"  # above the app's own rule
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave it"),
        Binding("ctrl+s", "keep", "Keep", priority=True),
    ]

    def __init__(self, run: str, words: Words) -> None:
        super().__init__()
        self._run, self._words = run, words

    def compose(self) -> ComposeResult:
        """Three fields and the keys."""
        with Vertical():
            yield Lines([[("Words for ", "strong"), (self._run, "strong")]])
            yield Label("name", markup=False)
            yield Input(self._words.name, placeholder=self._run, id="name")
            yield Label("tags, apart by spaces", markup=False)
            yield Input(self._words.tags, placeholder="baseline rate-sweep", id="tags")
            yield Label("notes", markup=False)
            yield TextArea(self._words.notes, tab_behavior="focus", id="notes")
            yield Lines([KEEP_KEYS], id="keys")

    def action_leave(self) -> None:
        """Close and change nothing."""
        self.dismiss(None)

    @on(Input.Submitted)
    def action_keep(self) -> None:
        """Close with the new words."""
        name, tags = self.query_one("#name", Input).value, self.query_one("#tags", Input).value
        self.dismiss(Words(name, tags, self.query_one("#notes", TextArea).text))


KEEP_KEYS: Line = [
    ("ctrl+s", "key"),
    (" keep   ", "muted"),
    ("tab", "key"),
    (" next field   ", "muted"),
    ("esc", "key"),
    (" leave it", "muted"),
]


class CopyDialog(ModalScreen[Copyable | None]):
    """Everything of a run one would otherwise retype; its digit copies it."""

    DEFAULT_CSS = DIALOG_CSS.replace("{name}", "CopyDialog")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,Y", "leave", "Leave it"),
        *(
            Binding(str(number), f"choose({number - 1})", "Copy", show=False)
            for number in range(1, 10)
        ),
    ]

    def __init__(self, items: tuple[Copyable, ...]) -> None:
        super().__init__()
        self._items = items[:9]

    def compose(self) -> ComposeResult:
        """One line a thing."""
        width = max(20, self.app.size.width - 30)
        lines: list[Line] = [[("Copy", "strong")], []]
        for number, item in enumerate(self._items, start=1):
            text = cut(show_line(item.text), width)
            lines.append([(f"{number} ", "key"), (f"{item.name:<14}", "muted"), (text, "")])
        with Vertical():
            yield Lines([*lines, [], [("esc", "key"), (" close", "muted")]])

    def action_choose(self, number: int) -> None:
        """Close with the thing of this digit."""
        if number < len(self._items):
            self.dismiss(self._items[number])

    def action_leave(self) -> None:
        """Close without copying."""
        self.dismiss(None)
