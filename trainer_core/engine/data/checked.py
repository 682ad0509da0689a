"""Records of a source as checked examples; what is wrong with the others is kept and counted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from trainer_core.engine.data.detect import Layout, detect
from trainer_core.engine.data.example import Example, RowProblem, example_of
from trainer_core.engine.data.prompt_format import PromptFormat
from trainer_core.engine.data.read import Opened
from trainer_core.engine.data.record import Record
from trainer_core.engine.data.render import Rendered, render
from trainer_core.errors import DataError, DataErrors

PEEKED_RECORDS = 100
"""Columns are gathered from this many records: an optional one may be missing in the first."""

ERRORS_KEPT = 20
"""More are only counted."""


@dataclass(kw_only=True, slots=True)
class Tally:
    """What was met while going through a source."""

    errors: list[DataError] = field(default_factory=list)
    """The first few."""
    error_count: int = 0
    records: int = 0
    """Records that could be read, empty ones included."""
    empty: int = 0
    bytes: int = 0
    """Their size as JSON lines, roughly: tells what share of a large file was read."""

    def add(self, error: DataError) -> None:
        """Keep or count one broken row."""
        self.error_count += 1
        if len(self.errors) < ERRORS_KEPT:
            self.errors.append(error)

    def raise_errors(self) -> None:
        """Raise what was found.

        Raises:
            DataErrors: If a row is broken.
        """
        if self.error_count:
            raise DataErrors(self.errors, self.error_count)


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedRow:
    """A row that can be trained on, with its text and its place."""

    record: Record
    rendered: Rendered
    row_hash: int
    """64 bits of a hash of what the row says, whatever the prompt: decides who is held out."""


def detect_layout(opened: Opened) -> Layout:
    """Return the layout of a source from its first records.

    Raises:
        ConfigError: If a named column does not exist.
        DataError: If no format fits or there is no record.
        DataErrors: If there are only broken records.
    """
    tally = Tally()
    columns: dict[str, object] = {}
    for record in islice(opened.records(tally.add), PEEKED_RECORDS):
        for name, value in record.value.items():
            if columns.get(name) is None:
                columns[name] = value
    if not columns:
        tally.raise_errors()
        raise DataError(opened.source.name, "has no rows", "put rows into it, or name another")
    return detect(tuple(columns), columns, opened.source.data, opened.source.name)


def checked_rows(
    opened: Opened, layout: Layout, prompt: PromptFormat, tally: Tally
) -> Iterator[CheckedRow]:
    """Yield every usable row; the others go to the tally.

    Raises:
        DataError: If a file as a whole cannot be read.
    """
    train_on_prompt = opened.source.data.train_on_prompt
    for record in opened.records(tally.add):
        tally.records += 1
        tally.bytes += _size(record.value)
        try:
            example = example_of(record.value, layout)
            if example is None:
                tally.empty += 1
                continue
            rendered = render(
                example, prompt, train_on_prompt=train_on_prompt, continues=record.continues
            )
        except RowProblem as problem:
            tally.add(record.error(problem.column, problem.problem, problem.fix))
            continue
        yield CheckedRow(record=record, rendered=rendered, row_hash=_row_hash(example))


def _size(value: dict[str, Any]) -> int:
    # Six characters of punctuation a column: quotes, colon, comma, blanks.
    texts = [text if isinstance(text, str) else str(text) for text in value.values()]
    return 3 + 6 * len(value) + sum(map(len, value)) + sum(map(len, texts))


def _row_hash(example: Example) -> int:
    parts = [example.text or "", example.system]
    for turn in example.turns:
        parts += [turn.request, turn.input_text, turn.answer]
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
