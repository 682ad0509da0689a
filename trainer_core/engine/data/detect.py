"""Tell the format of a dataset by its columns, and check a row against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from trainer_core.errors import ConfigError, DataError
from trainer_core.run.config.run_config import DataConfig

Format = Literal["instruction", "prompt-completion", "chat", "text"]

_NAMES: dict[str, tuple[str, ...]] = {
    "instruction": ("instruction", "question", "query", "problem"),
    "input": ("input", "context"),
    "output": ("output", "response", "answer", "completion", "solution"),
    "prompt": ("prompt", "input"),
    "completion": ("completion", "response", "output", "answer", "canonical_solution"),
    "messages": ("messages", "conversations", "conversation", "dialogue"),
    "text": ("text", "content"),
    "system": ("system", "system_prompt"),
    "history": ("history",),
}
"""Names a column of each role goes by in public datasets, the usual one first."""

_ROLES: dict[Format, tuple[str, ...]] = {
    "chat": ("messages",),
    "instruction": ("instruction", "output"),
    "prompt-completion": ("prompt", "completion"),
    "text": ("text",),
}
"""Formats in the order they are tried, with the roles each cannot do without."""

_OPTIONAL: dict[Format, tuple[str, ...]] = {
    "chat": ("system",),
    "instruction": ("input", "system", "history"),
    "prompt-completion": ("system",),
    "text": (),
}

_HELP = (
    "name the columns, e.g. --set data.instruction_column=… and --set data.output_column=…, "
    "or --set data.text_column=…"
)

COLUMNS_LISTED = 20
"""Column names that a sentence can hold."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """What the columns of a dataset are for."""

    format: Format
    roles: dict[str, str]
    """Role → column: `instruction`, `input`, `output`, `prompt`, `completion` …"""
    columns: tuple[str, ...]
    """All columns, in the order of the source."""


def detect(
    columns: Sequence[str], first_row: Mapping[str, Any], data: DataConfig, source: str
) -> Layout:
    """Return the layout of a dataset, the user's own column names first.

    Args:
        columns: Names of the first row's columns, in order.
        first_row: Tells a conversation (a list) from a text where names are shared.
        data: `format` and the `…_column` fields override what is found.
        source: Dataset as the user named it, for messages.

    Raises:
        ConfigError: If a named column does not exist.
        DataError: If no format fits, or the rows are preference pairs.
    """
    named = _named_columns(columns, data)
    wanted = _wanted_format(data, named)
    if wanted is None and {"chosen", "rejected"} <= set(columns):
        raise DataError(
            source,
            "these are preference pairs (chosen and rejected), which fine-tuning cannot use",
            "train on the chosen answers: --set data.output_column=chosen, or "
            "--set data.messages_column=chosen where they are conversations",
        )
    for form in [wanted] if wanted else list(_ROLES):
        roles = _roles(form, columns, first_row, named)
        if roles is not None:
            return Layout(format=form, roles=roles, columns=tuple(columns))
    listed = _listed(columns) or "none"
    shape = f"the format {wanted}" if wanted else "any known format"
    raise DataError(source, f"its columns ({listed}) do not fit {shape}", _HELP)


def _listed(columns: Sequence[str]) -> str:
    more = len(columns) - COLUMNS_LISTED
    return ", ".join(columns[:COLUMNS_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def _named_columns(columns: Sequence[str], data: DataConfig) -> dict[str, str]:
    named = {}
    for role in ("instruction", "input", "output", "text", "messages"):
        column = getattr(data, f"{role}_column")
        if column is None:
            continue
        if column not in columns:
            fix = f"choose one of {_listed(columns)}"
            raise ConfigError(f"data.{role}_column", column, fix, f"there is no column {column!r}")
        named[role] = column
    return named


def _wanted_format(data: DataConfig, named: Mapping[str, str]) -> Format | None:
    if data.format != "auto":
        return data.format
    if "messages" in named:
        return "chat"
    if "text" in named:
        return "text"
    return "instruction" if "instruction" in named else None


def _roles(
    form: Format, columns: Sequence[str], first_row: Mapping[str, Any], named: Mapping[str, str]
) -> dict[str, str] | None:
    """Return the columns of one format's roles; None where a needed one is missing."""
    lowered = {column.lower().strip(): column for column in reversed(columns)}
    given = dict(named)
    if form == "prompt-completion":
        renamed = {"instruction": "prompt", "output": "completion"}
        given = {renamed.get(role, role): column for role, column in named.items()}
    roles: dict[str, str] = {}
    for role in _ROLES[form] + _OPTIONAL[form]:
        candidates = (lowered.get(name) for name in _NAMES[role])
        free = (column for column in candidates if column and column not in given.values())
        column = given.get(role) or next(
            (name for name in free if name not in roles.values()), None
        )
        if column is None:
            if role in _ROLES[form]:
                return None
            continue
        if form == "chat" and role == "messages" and role not in given:
            if not isinstance(first_row.get(column), list):
                return None
        roles[role] = column
    return roles
