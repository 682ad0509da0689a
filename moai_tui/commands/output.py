"""What commands print: lines, tables and JSON, safe on any terminal.

Foreign text goes through `foreign_text` before it comes here; this module only keeps to what
the terminal can draw.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import cache
from typing import IO, Any

import msgspec

from trainer_core.json_lines import write_json_line

_PLAIN = str.maketrans(
    {
        "–": "-",
        "—": "-",
        "…": "~",
        "→": "->",
        "·": "|",
        "×": "x",
        "≤": "<=",
        "≥": ">=",
        "“": '"',
        "”": '"',
        "’": "'",
    }
)


@cache
def ascii_only() -> bool:
    """Whether the locale promises no more than ASCII (`LANG=C`)."""
    chosen = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or ""
    coerced = chosen == "C.UTF-8" and not os.environ.get("LC_ALL")
    if coerced:
        # Python itself sets LC_CTYPE when LANG is C; the terminal knows nothing of that.
        chosen = os.environ.get("LANG") or ""
    return chosen in ("", "C", "POSIX") or "utf" not in chosen.lower()


def write_line(text: str = "", *, to: IO[str] | None = None) -> None:
    """Print one line at once, in ASCII where the locale has no more."""
    stream = sys.stdout if to is None else to
    if ascii_only():
        text = text.translate(_PLAIN).encode("ascii", "replace").decode()
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    stream.flush()


def write_json(value: Any) -> None:
    """Print one JSON object on one line."""
    write_json_line(msgspec.json.encode(value))


def write_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: str = "") -> None:
    """Print aligned columns; the last one may be of any length.

    Args:
        header: A word for each column.
        rows: Cells, already text.
        right: A letter for each column, `r` aligns right, anything else left.
    """
    widths = [max(len(line[column]) for line in (header, *rows)) for column in range(len(header))]
    for line in (header, *rows):
        cells = []
        for column, cell in enumerate(line):
            to_right = right[column : column + 1] == "r"
            cells.append(cell.rjust(widths[column]) if to_right else cell.ljust(widths[column]))
        write_line("  ".join(cells).rstrip())


def write_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Print names and values in two columns; pairs without a value are left out."""
    shown = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        write_line(f"{name.ljust(width)}  {value}")
