"""Both ends of a run's event files: one writer a file, any number of readers.

A row is one `write` of one buffer that ends in a newline, so a killed writer leaves at most one
torn row at the end, which readers wait for and the next writer closes. Reporting never stops
training: on a full disk rows wait in a bounded queue, then the oldest are dropped and counted.
"""

from __future__ import annotations

import math
import os
import threading
import time
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import msgspec

from trainer_core.regular_file import open_regular
from trainer_core.run.record.event_rows import RowHead, ends_torn, is_sound, last_row, sealed
from trainer_core.run.record.events import AnyEvent, Event, Notice

QUEUED_ROWS = 10_000
"""Rows kept in memory while the disk is full: about 3 MB."""
SYNC_SECONDS = 1.0
"""A power cut may take the rows of this long; a killed process takes none."""
READ_BYTES = 4 * 2**20
EVENT_FILES = ("supervisor.jsonl", "events.jsonl")
MARK_BYTES = 512
"""Bytes at each end that tell one log from another: times and numbers of a row or two."""

_encode = msgspec.json.Encoder().encode
_types = {event.__struct_config__.tag for event in get_args(AnyEvent)}


_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent, strict=False)
_head_decoder = msgspec.json.Decoder(RowHead, strict=False)


def encode_event(event: Event) -> bytes:
    """Return one row without its newline; non-finite numbers become strings."""
    row: dict[str, Any] = {"type": event.__struct_config__.tag}
    for name in event.__struct_fields__:
        row[name] = _finite(getattr(event, name))
    return _encode(row)


class EventWriter:
    """Appends events to one file; the only writer of it. Safe to use from several threads."""

    def __init__(self, path: Path, attempt: int) -> None:
        self.attempt = attempt
        self.dropped = 0
        """Rows lost to a full disk and not yet reported in the file."""
        last = last_row(path)
        self._seq = last.seq if last else 0
        self._lock = threading.Lock()
        self._queue: deque[bytes] = deque()
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._closed = threading.Event()
        self._unsynced = threading.Event()
        if ends_torn(path):
            self._queue.append(b"\n")
        self._syncer = threading.Thread(target=self._sync_often, name="event sync", daemon=True)
        self._syncer.start()

    def write(self, event: Event) -> None:
        """Append one event, filling in sequence number, attempt and both clocks.

        Never raises for a full or failing disk: rows wait, and are dropped when too many.
        """
        with self._lock:
            self._append(event)
            if self._flush() and self.dropped:
                lost, self.dropped = self.dropped, 0
                text = f"{lost} events could not be written: the disk was full."
                self._append(Notice(level="warning", text=text))
                self._flush()
        self._unsynced.set()

    def sync(self) -> None:
        """Flush to disk now; before a state change is acknowledged."""
        with self._lock:
            self._flush()
        self._unsynced.clear()
        try:
            os.fsync(self._file)
        except OSError:
            self._unsynced.set()  # tried again by the side thread

    def close(self) -> None:
        """Flush to disk and end the side thread; a second call does nothing."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._unsynced.set()
        self._syncer.join()
        self.sync()
        os.close(self._file)

    def _append(self, event: Event) -> None:
        self._seq += 1
        filled = msgspec.structs.replace(
            event, seq=self._seq, attempt=self.attempt, time=time.time(), mono=time.monotonic()
        )
        self._queue.append(sealed(encode_event(filled)) + b"\n")
        while len(self._queue) > QUEUED_ROWS:
            del self._queue[1]  # the first may be half on disk: it must be completed
            self.dropped += 1

    def _flush(self) -> bool:
        while self._queue:
            row = self._queue[0]
            try:
                written = os.write(self._file, row)
            except OSError:
                return False
            if written < len(row):
                self._queue[0] = row[written:]
            else:
                self._queue.popleft()
        return True

    def _sync_often(self) -> None:
        while not self._closed.is_set():
            self._unsynced.wait()
            if not self._closed.wait(SYNC_SECONDS):
                self.sync()


class StreamMark(msgspec.Struct, frozen=True, kw_only=True):
    """Where a reader stood in one file, with what tells that it is the same file still."""

    name: str
    offset: int
    """Bytes of whole rows read."""
    first: bytes
    """The file's first bytes, at most `MARK_BYTES`."""
    last: bytes
    """The bytes before `offset`, at most `MARK_BYTES`."""
    changed: int | None
    """When a file that was read to its end had changed last, in nanoseconds; None otherwise."""
    newest: float
    expected_seq: int
    bad_rows: int
    unknown_rows: int
    missing_rows: int

    def stands(self, run_folder: Path) -> bool:
        """Say whether the file still begins as it did and has the same bytes up to the mark."""
        path = run_folder / self.name
        if (self.first, self.last) != _bytes_around(path, self.offset):
            return False
        return self.changed in (None, _changed(path, self.offset)) or _size(path) > self.offset


class EventReader:
    """Follows both files of a run folder from where it stopped last time."""

    def __init__(self, run_folder: Path, marks: Sequence[StreamMark] = ()) -> None:
        """Begin at the first event, or where an earlier reader stood when it gave its marks."""
        self._streams = tuple(_Stream(run_folder / name) for name in EVENT_FILES)
        for stream in self._streams:
            for mark in marks:
                if mark.name == stream.path.name:
                    stream.go_on_from(mark)

    def marks(self) -> tuple[StreamMark, ...]:
        """Return where this reader stands in each file; only when it is not `behind`."""
        return tuple(stream.mark() for stream in self._streams)

    @property
    def offset(self) -> int:
        """Bytes read of both files together."""
        return sum(stream.offset for stream in self._streams)

    def read_new(self, limit_bytes: int | None = None) -> list[AnyEvent]:
        """Return the events since the last call, both files merged by time.

        Args:
            limit_bytes: Read about so much of each file; call again while `behind`.
        """
        for stream in self._streams:
            stream.read(limit_bytes)
        late = [stream.newest for stream in self._streams if stream.behind]
        horizon = min(late) if late else math.inf
        return _merged(*(stream.take(horizon) for stream in self._streams))

    @property
    def behind(self) -> bool:
        """True while the last `read_new` left something unread because of its limit."""
        return any(stream.behind for stream in self._streams)

    @property
    def bad_rows(self) -> int:
        """Rows that are no events; each was skipped once."""
        return sum(stream.bad_rows for stream in self._streams)

    @property
    def unknown_rows(self) -> int:
        """Rows of a type this version does not know."""
        return sum(stream.unknown_rows for stream in self._streams)

    @property
    def missing_rows(self) -> int:
        """Rows whose sequence numbers were jumped over."""
        return sum(stream.missing_rows for stream in self._streams)


class _Stream:
    """One file: its offset, an unfinished row, decoded events not yet handed out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self.torn = b""
        self.events: list[AnyEvent] = []
        self.times: list[float] = []
        """When each of `events` happened, never falling; apart from them it costs no collector."""
        self.newest = -math.inf
        """Time of the newest row, never going back when the wall clock does."""
        self.behind = False
        self.bad_rows = self.unknown_rows = self.missing_rows = 0
        self.expected_seq = 0

    def mark(self) -> StreamMark:
        offset = self.offset - len(self.torn)
        first, last = _bytes_around(self.path, offset)
        return StreamMark(
            name=self.path.name,
            offset=offset,
            first=first,
            last=last,
            changed=_changed(self.path, offset),
            newest=self.newest,
            expected_seq=self.expected_seq,
            bad_rows=self.bad_rows,
            unknown_rows=self.unknown_rows,
            missing_rows=self.missing_rows,
        )

    def go_on_from(self, mark: StreamMark) -> None:
        self.offset, self.newest, self.expected_seq = mark.offset, mark.newest, mark.expected_seq
        self.bad_rows, self.unknown_rows = mark.bad_rows, mark.unknown_rows
        self.missing_rows = mark.missing_rows

    def read(self, limit_bytes: int | None) -> None:
        read = 0
        self.behind = False
        try:
            with open_regular(self.path) as file:
                file.seek(self.offset)
                while block := file.read(READ_BYTES if limit_bytes is None else limit_bytes):
                    self.offset += len(block)
                    read += len(block)
                    self._decode(self.torn + block)
                    if limit_bytes is not None and read >= limit_bytes:
                        self.behind = True
                        return
        except FileNotFoundError:
            return

    def take(self, horizon: float) -> tuple[list[float], list[AnyEvent]]:
        """Hand out the events up to a moment, with their times."""
        end = bisect_right(self.times, horizon)
        taken = self.times[:end], self.events[:end]
        self.times, self.events = self.times[end:], self.events[end:]
        return taken

    def _decode(self, data: bytes) -> None:
        end = data.rfind(b"\n") + 1
        self.torn = data[end:]
        rows = data[:end]
        lines = rows.split(b"\n")
        # All at once first; with a bad row among them each is read by itself, below.
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            if all(map(is_sound, lines)):
                self._take_in(_decoder.decode_lines(rows))
                return
        for line in filter(None, lines):
            self._decode_row(line)

    def _take_in(self, events: list[AnyEvent]) -> None:
        newest, expected, times = self.newest, self.expected_seq, self.times
        for event in events:  # written out: a call for each event doubled the time of a read
            seq = event.seq
            if seq:
                if seq > expected > 0:
                    self.missing_rows += seq - expected
                expected = seq + 1
            if event.time > newest:  # noqa: PLR1730  # max() is a call too
                newest = event.time
            times.append(newest)
        self.events += events
        self.newest, self.expected_seq = newest, expected

    def _decode_row(self, line: bytes) -> None:
        if not is_sound(line):
            self.bad_rows += 1
            self.expected_seq += bool(self.expected_seq)  # its own number may be what changed
            return
        try:
            event = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._skip(line)
        else:
            self._take_in([event])

    def _skip(self, line: bytes) -> None:
        try:
            head = _head_decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.bad_rows += 1
            return
        if head.type in _types:
            self.bad_rows += 1
        else:
            self.unknown_rows += 1
        if head.seq:
            self.missing_rows += max(0, head.seq - self.expected_seq) if self.expected_seq else 0
            self.expected_seq = head.seq + 1


def _merged(
    supervisor: tuple[list[float], list[AnyEvent]], rank: tuple[list[float], list[AnyEvent]]
) -> list[AnyEvent]:
    """Put the supervisor's few events in their places among the rank's many."""
    times, events = rank
    merged: list[AnyEvent] = []
    start = 0
    for moment, event in zip(*supervisor, strict=True):
        place = bisect_left(times, moment, start)
        merged += events[start:place]
        merged.append(event)
        start = place
    return merged + events[start:]


def _bytes_around(path: Path, offset: int) -> tuple[bytes, bytes]:
    """Return the first bytes of a file and those before `offset`; empty where there are none."""
    try:
        with open_regular(path) as file:
            first = file.read(min(MARK_BYTES, offset))
            file.seek(max(0, offset - MARK_BYTES))
            return first, file.read(min(MARK_BYTES, offset))
    except OSError:
        return b"", b""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _changed(path: Path, size: int) -> int | None:
    """Return when a file of this size changed last; None where its size is another by now."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns if found.st_size == size else None


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value
