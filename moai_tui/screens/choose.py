"""A list over the form: type to narrow it, enter takes a line, esc leaves all as it was."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from moai_tui.widgets.form.field_spec import Choice
from moai_tui.widgets.lines import Lines, fit
from trainer_core.run.config.fields import FieldValue

LABEL_LIMIT = 44
"""Cells a label may take, so that its details stay on an 80-column screen."""

Picked = tuple[FieldValue]
"""One value in a tuple, so that a picked None differs from none picked."""


class ChooseScreen(ModalScreen[Picked | None]):
    """Pick one choice, or several of them; the result is None when nothing was picked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave as it was", id="choose.leave"),
        Binding("down", "move('down')", "next", show=False, id="choose.next"),
        Binding("up", "move('up')", "previous", show=False, id="choose.previous"),
        Binding("pagedown", "move('page_down')", "page down", show=False, id="choose.page_down"),
        Binding("pageup", "move('page_up')", "page up", show=False, id="choose.page_up"),
    ]

    DEFAULT_CSS = """
    ChooseScreen { align: center middle; background: $background 0%; }
    ChooseScreen > Vertical {
        width: 76; max-width: 100%; height: auto; max-height: 90%;
        border: round $border; background: $surface; padding: 0 1;
    }
    ChooseScreen Input, ChooseScreen Input:focus {
        height: 1; border: none; padding: 0; background: $surface; margin-bottom: 1;
    }
    ChooseScreen OptionList, ChooseScreen OptionList:focus {
        height: auto; max-height: 60vh; border: none; padding: 0; background: $surface;
        text-wrap: nowrap; text-overflow: ellipsis; scrollbar-size-vertical: 1;
    }
    ChooseScreen Lines { margin-top: 1; height: 1; }
    """

    def __init__(
        self,
        title: str,
        choices: tuple[Choice, ...],
        current: FieldValue,
        *,
        many: bool = False,
    ) -> None:
        super().__init__()
        self._title, self._choices, self._many = title, choices, many
        self._current = current
        self._marked = [*current] if many and isinstance(current, tuple) else []

    def compose(self) -> ComposeResult:
        """A line to narrow the list, the list, the keys."""
        keys = "space mark   enter take" if self._many else "enter take"
        with Vertical() as box:
            box.border_title = self._title
            narrow = Input(placeholder="type to narrow the list")
            narrow.cursor_blink = False
            narrow.display = len(self._choices) > 8 and not self._many
            yield narrow
            options = OptionList(markup=False)
            options.can_focus = not narrow.display
            yield options
            yield Lines([[(f"{keys}   esc leave as it was", "muted")]])

    def on_mount(self) -> None:
        """Show everything, the current one under the cursor."""
        self._list("")
        narrow = self.query_one(Input)
        (narrow if narrow.display else self.query_one(OptionList)).focus()

    @on(Input.Changed)
    def _narrowed(self, event: Input.Changed) -> None:
        self._list(event.value)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.query_one(OptionList).action_select()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        if self._many:
            marked = self._marked or [str(self._choices[int(event.option.id or 0)].value)]
            self.dismiss((tuple(marked),))
        else:
            self.dismiss((self._choices[int(event.option.id or 0)].value,))

    def key_space(self) -> None:
        """Mark the line under the cursor, where several may be picked."""
        options = self.query_one(OptionList)
        place = options.highlighted
        if not self._many or place is None:
            return
        value = str(self._choices[int(options.get_option_at_index(place).id or 0)].value)
        if value in self._marked:
            self._marked.remove(value)
        else:
            self._marked.append(value)
        self._list("")
        options.highlighted = place

    def action_move(self, how: str) -> None:
        """Move the cursor while the keys go to the narrowing line."""
        getattr(self.query_one(OptionList), f"action_{'cursor_' if how in UP_DOWN else ''}{how}")()

    def action_leave(self) -> None:
        """Close; nothing was picked."""
        self.dismiss(None)

    def _list(self, wanted: str) -> None:
        """Fill the list with the choices that hold every typed word."""
        options = self.query_one(OptionList)
        options.clear_options()
        words = wanted.lower().split()
        fitting = [
            (place, choice)
            for place, choice in enumerate(self._choices)
            if all(word in " ".join((choice.label, *choice.details)).lower() for word in words)
        ]
        widths = _widths([choice for _, choice in fitting])
        group = ""
        for place, choice in fitting:
            if choice.group != group:
                group = choice.group
                heading = Content.styled(group, "$muted")
                options.add_option(Option(heading, disabled=True))
            options.add_option(
                Option(self._line(choice, widths), id=str(place), disabled=not choice.enabled)
            )
        self._highlight(options, fitting)

    def _highlight(self, options: OptionList, fitting: list[tuple[int, Choice]]) -> None:
        usable = [place for place, choice in fitting if choice.enabled]
        if not usable:
            return
        current = next((p for p in usable if self._choices[p].value == self._current), usable[0])
        options.highlighted = options.get_option_index(str(current))

    def _line(self, choice: Choice, widths: list[int]) -> Content:
        mark = ""
        if self._many:
            mark = "[x] " if str(choice.value) in self._marked else "[ ] "
        label = fit(choice.label, min(LABEL_LIMIT, widths[0]))
        details = "  ".join(
            fit(text, width) for text, width in zip(choice.details, widths[1:], strict=False)
        )
        if not choice.enabled and not choice.details:
            return Content.styled(choice.label, "$faint")
        return Content.assemble(mark, label, "  ", (details, "$muted"))


UP_DOWN = ("up", "down")


def _widths(choices: list[Choice]) -> list[int]:
    """Cells of each column: the widest label and details."""
    usable = [choice for choice in choices if choice.enabled or choice.details]
    columns = max((len(choice.details) for choice in usable), default=0)
    widths = [max((cell_len(choice.label) for choice in usable), default=0)]
    for column in range(columns):
        widths.append(
            max((cell_len(c.details[column]) for c in usable if column < len(c.details)), default=0)
        )
    return widths
