"""JSON for programs on standard output: one value a line, harmless where a person reads it."""

from __future__ import annotations

import re
import sys

from trainer_core.foreign_text import escaped, show_json

_BEYOND_ASCII = re.compile("[^\x00-\x7f]")


def write_json_line(encoded: bytes, *, flush: bool = True) -> None:
    """Print JSON and a newline.

    Where the output takes no UTF-8 every other character is escaped: the value stays the same.

    Args:
        encoded: One value as an encoder gives it.
        flush: Whether a reader gets it at once, not when the buffer is full.
    """
    text = show_json(encoded)
    if "utf" not in (getattr(sys.stdout, "encoding", None) or "utf-8").lower():
        text = _BEYOND_ASCII.sub(escaped, text)
    sys.stdout.write(text + "\n")
    if flush:
        sys.stdout.flush()
