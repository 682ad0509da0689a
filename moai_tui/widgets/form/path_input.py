"""Typed fields: one line, no border; Tab completes ids and paths, else it moves on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

CANDIDATES_LIMIT = 200
"""A folder with more matches than this needs another letter, not a longer list."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Completion:
    """What Tab makes of a text."""

    text: str
    """The longest text all candidates agree on; the same text where there is none."""
    candidates: tuple[str, ...] = ()
    """Everything it could become, as it would stand in the field."""


def complete(text: str, ids: Sequence[str] = ()) -> Completion:
    """Complete a preset id or a path, as a shell would.

    Args:
        text: What was typed; `~` and the prefix `python:` are understood.
        ids: Known ids, offered where the text does not look like a path.
    """
    prefix, bare = ("python:", text[7:]) if text.startswith("python:") else ("", text)
    candidates = [found for found in ids if not prefix and found.lower().startswith(bare.lower())]
    candidates += [prefix + path for path in _paths(bare) if prefix + path not in candidates]
    if not candidates:
        return Completion(text=text)
    common = _agreed(candidates)
    longer = len(common) > len(text) or len(candidates) == 1
    return Completion(text=common if longer else text, candidates=tuple(candidates))


def _paths(text: str) -> list[str]:
    """Return entries that begin with the text, folders with a slash, hidden ones if asked for."""
    folder, _, beginning = text.rpartition("/")
    folder = f"{folder}/" if "/" in text else ""
    try:
        with os.scandir(Path(folder or ".").expanduser()) as entries:
            found = [
                folder + entry.name + ("/" if entry.is_dir() else "")
                for entry in entries
                if entry.name.startswith(beginning)
                and (beginning or not entry.name.startswith("."))
            ]
    except OSError:
        return []
    return sorted(found)[:CANDIDATES_LIMIT]


def _agreed(texts: Sequence[str]) -> str:
    """Return the beginning that all texts share, letter by letter."""
    first, last = min(texts), max(texts)
    same = next((i for i, letter in enumerate(first) if last[i : i + 1] != letter), len(first))
    return first[:same]


class TextInput(Input):
    """An Input of one line without a frame, so that moving on repaints little."""

    DEFAULT_CSS = """
    TextInput, TextInput:focus { border: none; height: 1; padding: 0 1; }
    TextInput > .input--placeholder { color: $muted; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cursor_blink = False
        self.typed = False
        """Whether the text was edited since the field got the focus."""

    def show(self, text: str, placeholder: str) -> None:
        """Take a text from above; nothing is posted."""
        if text != self.value:
            with self.prevent(Input.Changed):
                self.value = text
        if placeholder != self.placeholder:
            self.placeholder = placeholder

    def on_input_changed(self) -> None:
        """Note that the user typed: programs change the text without this message."""
        self.typed = True

    # Bindings run after every key of a packet: on a slow line text typed after one of these would
    # be deleted, or land in the wrong place. Keys taken here stay in order with the text.

    def key_ctrl_u(self, event: events.Key) -> None:
        """Delete to the beginning."""
        event.stop()
        self.action_delete_left_all()

    def key_backspace(self, event: events.Key) -> None:
        """Delete the letter before the cursor."""
        event.stop()
        self.action_delete_left()

    def key_end(self, event: events.Key) -> None:
        """Go behind the last letter."""
        event.stop()
        self.action_end()

    def on_focus(self) -> None:
        """Start counting edits anew."""
        self.typed = False


class PathInput(TextInput):
    """A TextInput whose Tab completes what was just typed; enter opens the list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "complete", show=False, id="path.complete"),
    ]

    @dataclass
    class Candidates(Message):
        """Tab found several ways on."""

        input: PathInput
        candidates: tuple[str, ...]

        @property
        def control(self) -> PathInput:
            """The field that was completed."""
            return self.input

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.ids: tuple[str, ...] = ()
        """Ids offered beside paths."""

    def action_complete(self) -> None:
        """Complete what was typed; where nothing was, move on."""
        at_end = self.cursor_position >= len(self.value)
        # Read here and not beside the keys: what is typed after Tab must go where Tab leads.
        found = complete(self.value, self.ids) if self.typed and at_end else None
        if found is not None and found.text != self.value:
            self.value = found.text
            self.cursor_position = len(self.value)
        elif found is not None and len(found.candidates) > 1:
            self.typed = False  # a second Tab moves on
            self.post_message(self.Candidates(self, found.candidates))
        else:
            self.screen.focus_next()
