"""Mistakes of the user: one clear sentence each, exit code 2, never a traceback.

None of these derives from ValueError: msgspec would wrap them while decoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from errno import EDQUOT, ENOSPC


class UserError(Exception):
    """Something the user can mend; `str()` of it is the sentence they read."""


class ConfigError(UserError):
    """One field of a configuration is wrong.

    Attributes:
        field: Dotted name as the user writes it, e.g. `checkpoint.keep`.
        value: What stood there.
        fix: What to do, an imperative without a full stop.
        problem: What is wrong; None where value and fix say it.
    """

    def __init__(self, field: str, value: object, fix: str, problem: str | None = None) -> None:
        self.field, self.value, self.fix, self.problem = field, value, fix, problem
        name = field if field.isprintable() else repr(field)[1:-1]
        super().__init__(f"{name}: {problem or f'{value!r} cannot be used'}; {fix}")


class ConfigErrors(UserError):
    """Every wrong field of one configuration, found at once."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(str(error) for error in errors))


def unwritable(error: OSError) -> UserError:
    """Return the sentence for a file or folder that the system refused, named by `filename`."""
    what = error.strerror or type(error).__name__
    fix = "free some space" if error.errno in (ENOSPC, EDQUOT) else "check the path and its owner"
    return UserError(f"{error.filename}: {what[:1].lower()}{what[1:]}; {fix}")


class DataError(UserError):
    """One row, column or file of a dataset cannot be used.

    Attributes:
        file: Path or dataset id as the user named it.
        row: 1-based number of the record, None when the whole file is meant.
        line: 1-based line in the file, None where the format has no lines.
        column: Field of the record, None when the whole record is meant.
        problem: What is wrong.
        fix: What to do.
    """

    def __init__(
        self,
        file: str,
        problem: str,
        fix: str,
        *,
        row: int | None = None,
        line: int | None = None,
        column: str | None = None,
    ) -> None:
        self.file, self.row, self.line, self.column = file, row, line, column
        self.problem, self.fix = problem, fix
        place = file if row is None else f"{file}:{row}"
        place += f" (line {line})" if line is not None and line != row else ""
        place += f": {column}" if column else ""
        super().__init__(f"{place}: {problem}; {fix}")


def mend_rows(count: int) -> str:
    """Return what to do about broken rows, an imperative without a full stop.

    Args:
        count: How many rows are broken.
    """
    rows, them = ("this row", "it") if count == 1 else ("these rows", "them")
    return f"mend {rows}, or leave {them} out with --skip-bad-rows"


class DataErrors(UserError):
    """Several rows of a dataset cannot be used.

    Attributes:
        errors: The first ones, in the order of the source.
        count: How many there are in all.
    """

    def __init__(self, errors: Sequence[DataError], count: int) -> None:
        self.errors, self.count = tuple(errors), count
        lines = [str(error) for error in self.errors]
        if count > len(lines):
            lines.append(f"… and {count - len(lines)} more")
        lines.append(mend_rows(count))
        super().__init__("\n".join(lines))
