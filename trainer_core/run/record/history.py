"""A run's past at once: its folded events beside the files, so that attaching reads the rest only.

`events.index` is a cache of the two event files, written whole by whoever folded them. It names
the bytes it stands on; where they are other bytes now it is left aside and everything is read
again.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec

from trainer_core.durable import write_whole
from trainer_core.regular_file import read_regular
from trainer_core.run.record.curve import Bucket, Curve
from trainer_core.run.record.event_log import EventReader, StreamMark
from trainer_core.run.record.events import AnyEvent
from trainer_core.run.record.view import RunView

INDEX_NAME = "events.index"
INDEX_BYTES = 2 * 2**20
"""Unindexed bytes worth a new index: reading them takes 0.05 s."""
READ_BYTES = 2 * 2**20
"""Read and folded at a time: a log of any length needs the memory of this much."""

_LAYOUT = " ".join(part.name for part in fields(RunView))
"""An index of another version's view is read as none."""


class _StoredCurve(msgspec.Struct, frozen=True, array_like=True):
    capacity: int
    span: int
    keys: list[int]
    buckets: list[tuple[float, float, float, int, float]]
    last_step: int | None
    last_value: float | None
    generation: int


class _Index(msgspec.Struct, frozen=True):
    layout: str
    marks: tuple[StreamMark, ...]
    view: RunView


class RunHistory:
    """Follows a run: the view of all its events, and the reader that stands behind the last."""

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder
        index = _load(run_folder)
        self.view = index.view if index else RunView()
        self.reader = EventReader(run_folder, index.marks if index else ())
        self._indexed_bytes = self.reader.offset

    def read(self, limit_bytes: int | None = READ_BYTES) -> list[AnyEvent]:
        """Fold in what is new and return it; call again while `reader.behind`."""
        events = self.reader.read_new(limit_bytes)
        self.view.apply_all(events)
        return events

    def catch_up(self) -> None:
        """Fold in everything there is, in pieces."""
        self.read()
        while self.reader.behind:
            self.read()

    def save_index(self) -> None:
        """Write the index if enough is new since the last; a folder one may not write is fine."""
        if self.reader.behind or self.reader.offset - self._indexed_bytes < INDEX_BYTES:
            return
        self._indexed_bytes = self.reader.offset
        index = _Index(layout=_LAYOUT, marks=self.reader.marks(), view=self.view)
        try:
            write_whole(self._folder / INDEX_NAME, _encoder.encode(index))
        except OSError:
            return  # losing it costs nothing but time


def _load(run_folder: Path) -> _Index | None:
    try:
        index = _decoder.decode(read_regular(run_folder / INDEX_NAME))
    except (OSError, msgspec.DecodeError, ValueError):
        return None
    current = index.layout == _LAYOUT and all(mark.stands(run_folder) for mark in index.marks)
    return index if current else None


def _stored(value: Any) -> Any:
    if isinstance(value, Curve):
        buckets = [(b.low, b.high, b.total, b.count, b.last) for b in value.buckets.values()]
        return _StoredCurve(
            value.capacity,
            value.span,
            list(value.buckets),
            buckets,
            value.last_step,
            value.last_value,
            value.generation,
        )
    raise NotImplementedError(type(value))


def _restored(kind: type, value: Any) -> Any:
    if kind is not Curve:
        raise NotImplementedError(kind)
    stored = msgspec.convert(value, _StoredCurve)
    curve = Curve(stored.capacity)
    curve.span, curve.generation = stored.span, stored.generation
    curve.last_step, curve.last_value = stored.last_step, stored.last_value
    buckets = (Bucket(*numbers) for numbers in stored.buckets)
    curve.buckets = dict(zip(stored.keys, buckets, strict=True))
    return curve


# msgpack: unlike JSON it has NaN, and a number comes back as it was.
_encoder = msgspec.msgpack.Encoder(enc_hook=_stored)
_decoder = msgspec.msgpack.Decoder(_Index, dec_hook=_restored)
