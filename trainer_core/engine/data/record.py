"""One record of a dataset with the place it stands at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trainer_core.engine.data.source import Split
from trainer_core.errors import DataError

OnProblem = Callable[[DataError], None]
"""Told of every record that cannot be read; reading goes on with the next one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """Columns and values as they stood in the file."""

    file: str
    row: int
    """1-based number of the record in its file."""
    line: int | None
    """1-based line of the file, None where the format has no lines."""
    value: dict[str, Any]
    split: Split | None = None
    """None where the dataset has no split of its own."""
    continues: bool = False
    """Whether a plain text goes on in the next record."""

    def error(self, column: str | None, problem: str, fix: str) -> DataError:
        """Return the error of this record."""
        return DataError(self.file, problem, fix, row=self.row, line=self.line, column=column)
