"""A row carries a sum: whatever bit of it changes, it is not taken for what was written."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from trainer_core.run.record.event_rows import ends_torn, is_sound, last_row, sealed

ROW = b'{"type":"step","seq":7,"attempt":2,"train_loss":2.125}'


def test_every_changed_bit_is_found_or_breaks_the_row() -> None:
    """A bit of the sum's own name leaves a row that says the same, without a sum."""
    row = sealed(ROW)
    assert is_sound(row)
    told = json.loads(row)
    del told["crc"]
    assert told == json.loads(ROW)
    for bit in range(8 * len(row)):
        changed = bytearray(row)
        changed[bit // 8] ^= 1 << bit % 8
        if not is_sound(bytes(changed)):
            continue
        try:
            left = msgspec.json.decode(changed)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        assert {name: left.get(name) for name in told} == told, changed


def test_rows_without_a_sum_are_taken_at_their_word() -> None:
    assert all(map(is_sound, (b"", b"not json", ROW)))


def test_the_last_row_is_the_last_sound_one(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert last_row(path) is None
    broken = sealed(ROW.replace(b"7", b"8")).replace(b"8", b"9", 1)
    path.write_bytes(sealed(ROW) + b"\n" + broken + b"\n" + b'{"type"')
    head = last_row(path)
    assert head is not None
    assert (head.seq, head.attempt) == (7, 2)
    assert ends_torn(path)
