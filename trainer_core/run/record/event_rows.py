"""Rows of an event file: the sum each ends with, and the end of a file that grows.

Without a sum a bit that the disk changed in a digit would be a loss that never was.
"""

from __future__ import annotations

import os
from pathlib import Path
from zlib import crc32

import msgspec

TAIL_BYTES = 256 * 1024
"""How far back a new writer looks for the last whole row."""

_SUM = b',"crc":"'
_SUM_BYTES = len(_SUM) + len('00000000"}')


class RowHead(msgspec.Struct, frozen=True, kw_only=True):
    """What every row has, whatever its type."""

    type: str
    seq: int = 0
    attempt: int = 1


_head_decoder = msgspec.json.Decoder(RowHead, strict=False)


def sealed(row: bytes) -> bytes:
    """Return one row, a JSON object that is not empty, with a sum over it as its last member."""
    inner = row[:-1]
    return b'%b%b%08x"}' % (inner, _SUM, crc32(inner))


def is_sound(row: bytes) -> bool:
    """Whether a row is as it was written; one without a sum is taken at its word."""
    end = row[-_SUM_BYTES:]
    return not end.startswith(_SUM) or end[len(_SUM) : -2] == b"%08x" % crc32(row[:-_SUM_BYTES])


def last_row(path: Path) -> RowHead | None:
    """Return the head of the last sound row of an event file; None where there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            lines = file.read().split(b"\n")[:-1]
    except FileNotFoundError:
        return None
    for line in filter(is_sound, reversed(lines)):
        try:
            return _head_decoder.decode(line)
        except msgspec.DecodeError:
            continue
    return None


def ends_torn(path: Path) -> bool:
    """Whether a file ends within a row."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return False
        file.seek(size - 1)
        return file.read(1) != b"\n"
