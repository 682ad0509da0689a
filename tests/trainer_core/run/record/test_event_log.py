from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer_core.run.record import event_log
from trainer_core.run.record.event_log import EventReader, EventWriter, encode_event
from trainer_core.run.record.event_rows import last_row
from trainer_core.run.record.events import AnyEvent, Notice, Phase, RunEnded, StateChanged, Step


def step(number: int, loss: float = 1.0) -> Step:
    return Step(step=number, epoch=0.0, train_loss=loss, learning_rate=1e-3)


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def steps(events: list[AnyEvent]) -> list[int]:
    return [event.step for event in events if isinstance(event, Step)]


def test_rows_have_type_sequence_attempt_and_both_clocks(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / "events.jsonl", attempt=3)
    writer.write(step(1))
    writer.write(step(2))
    writer.close()
    first, second = rows(tmp_path / "events.jsonl")
    assert (first["type"], first["seq"], second["seq"], first["attempt"]) == ("step", 1, 2, 3)
    assert float(str(first["time"])) > 1e9
    assert float(str(second["mono"])) >= float(str(first["mono"])) > 0


def test_each_row_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed writer leaves at most one torn row: rows are never written in pieces."""
    writer = EventWriter(tmp_path / "events.jsonl", attempt=1)
    written: list[bytes] = []
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, row: written.append(row) or real(file, row))
    writer.write(step(1))
    writer.write(step(2))
    monkeypatch.undo()
    writer.close()
    assert [row[-1:] for row in written] == [b"\n", b"\n"]


@pytest.mark.parametrize(
    ("value", "text"), [(float("nan"), "nan"), (float("inf"), "inf"), (float("-inf"), "-inf")]
)
def test_what_is_no_number_is_written_as_a_word(value: float, text: str) -> None:
    assert json.loads(encode_event(step(1, value)))["train_loss"] == text


def test_numbers_come_back_to_the_last_digit(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / "events.jsonl", attempt=1)
    writer.write(step(1, 0.1 + 0.2))
    writer.close()
    (event,) = EventReader(tmp_path).read_new()
    assert isinstance(event, Step)
    assert event.train_loss.hex() == (0.1 + 0.2).hex()


def test_a_new_writer_goes_on_counting_and_closes_a_torn_row(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    writer = EventWriter(path, attempt=1)
    writer.write(step(1))
    writer.close()
    with path.open("ab") as file:
        file.write(b'{"type":"step","st')
    writer = EventWriter(path, attempt=2)
    writer.write(step(2))
    writer.close()
    reader = EventReader(tmp_path)
    assert steps(reader.read_new()) == [1, 2]
    assert (reader.bad_rows, reader.missing_rows) == (1, 0)
    last = last_row(path)
    assert last is not None
    assert (last.seq, last.attempt) == (2, 2)


def test_a_torn_tail_waits_and_is_read_when_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    row = encode_event(step(7)) + b"\n"
    path.write_bytes(row[:20])
    reader = EventReader(tmp_path)
    assert reader.read_new() == []
    with path.open("ab") as file:
        file.write(row[20:])
    assert steps(reader.read_new()) == [7]
    assert reader.bad_rows == 0


def test_bad_rows_are_skipped_once_unknown_types_silently_and_gaps_counted(tmp_path: Path) -> None:
    lines = [
        b'{"type":"step","seq":1,"step":1,"epoch":0,"train_loss":1,"learning_rate":0}',
        b'{"type":"from_the_future","seq":2,"anything":[1,2]}',
        b"not json",
        b'{"type":"step","seq":3,"step":"three"}',
        b'{"type":"step","seq":9,"step":2,"epoch":0,"train_loss":1,"learning_rate":0,"new":1}',
    ]
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    reader = EventReader(tmp_path)
    assert steps(reader.read_new()) == [1, 2]
    assert reader.read_new() == []
    assert (reader.bad_rows, reader.unknown_rows, reader.missing_rows) == (2, 1, 5)


def test_a_bit_that_changed_in_a_number_is_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    writer = EventWriter(path, attempt=1)
    for number in (1, 2, 3):
        writer.write(step(number, 4.5))
    writer.close()
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(rows[0] + rows[1].replace(b"4.5", b"4.7") + rows[2])
    reader = EventReader(tmp_path)
    assert steps(reader.read_new()) == [1, 3]
    assert (reader.bad_rows, reader.missing_rows) == (1, 0)


def test_both_files_are_merged_by_time(tmp_path: Path) -> None:
    def write(name: str, *events: AnyEvent) -> None:
        text = b"".join(encode_event(event) + b"\n" for event in events)
        (tmp_path / name).write_bytes(text)

    write(
        "supervisor.jsonl",
        StateChanged(state="starting", time=1.0),
        RunEnded(state="finished", exit_code=0, time=9.0),
    )
    write("events.jsonl", Phase(name="loading", time=2.0), Phase(name="training", time=5.0))
    times = [event.time for event in EventReader(tmp_path).read_new()]
    assert times == [1.0, 2.0, 5.0, 9.0]


def test_a_clock_set_back_does_not_reorder_a_file(tmp_path: Path) -> None:
    text = b""
    for number, moment in ((1, 100.0), (2, 40.0), (3, 41.0)):
        text += (
            encode_event(Step(step=number, epoch=0, train_loss=1, learning_rate=0, time=moment))
            + b"\n"
        )
    (tmp_path / "events.jsonl").write_bytes(text)
    (tmp_path / "supervisor.jsonl").write_bytes(
        encode_event(StateChanged(state="running", time=50.0)) + b"\n"
    )
    events = EventReader(tmp_path).read_new()
    assert isinstance(events[0], StateChanged)
    assert steps(events) == [1, 2, 3]


def test_reading_in_parts_gives_the_same_order(tmp_path: Path) -> None:
    for name, offset in (("events.jsonl", 0.0), ("supervisor.jsonl", 0.5)):
        text = b"".join(
            encode_event(Notice(level="info", text=f"{name} {n}", time=n + offset, seq=n)) + b"\n"
            for n in range(1, 200)
        )
        (tmp_path / name).write_bytes(text)
    whole = EventReader(tmp_path).read_new()
    reader, parts = EventReader(tmp_path), []
    for _ in range(1000):
        parts += reader.read_new(limit_bytes=700)
        if not reader.behind:
            break
    assert parts == whole
    assert len(whole) == 398


def test_a_full_disk_never_stops_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows wait while there is room for them in memory; the rest is dropped, counted and told."""
    monkeypatch.setattr(event_log, "QUEUED_ROWS", 5)
    writer = EventWriter(tmp_path / "events.jsonl", attempt=1)
    real, full = os.write, [True]

    def write(file: int, row: bytes) -> int:
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, row)

    monkeypatch.setattr(event_log.os, "write", write)
    for number in range(1, 21):
        writer.write(step(number))
    full[0] = False
    writer.write(step(21))
    writer.close()
    reader = EventReader(tmp_path)
    events = reader.read_new()
    assert steps(events) == [1, 18, 19, 20, 21]
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert notices == ["16 events could not be written: the disk was full."]
    assert reader.bad_rows == 0


def test_a_short_write_is_completed_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = EventWriter(tmp_path / "events.jsonl", attempt=1)
    real, limits = os.write, [10, 0]

    def write(file: int, row: bytes) -> int:
        limit = limits.pop(0) if limits else len(row)
        if limit == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, row[:limit])

    monkeypatch.setattr(event_log.os, "write", write)
    writer.write(step(1))
    writer.write(step(2))
    writer.close()
    reader = EventReader(tmp_path)
    assert steps(reader.read_new()) == [1, 2]
    assert reader.bad_rows == 0


def test_sync_reaches_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = EventWriter(tmp_path / "events.jsonl", attempt=1)
    synced: list[int] = []
    monkeypatch.setattr(event_log.os, "fsync", synced.append)
    writer.write(step(1))
    writer.sync()
    monkeypatch.undo()
    writer.close()
    assert synced


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    EventWriter(tmp_path / "events.jsonl", attempt=1).close()
    assert (tmp_path / "events.jsonl").stat().st_mode & 0o077 == 0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=20), st.integers(1, 50))
def test_any_bytes_can_be_read_at_any_cut(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], cut: int
) -> None:
    folder = tmp_path_factory.mktemp("log")
    data = b"\n".join([*lines, encode_event(step(1)), b""])
    path = folder / "events.jsonl"
    reader = EventReader(folder)
    path.write_bytes(data[:cut])
    found = steps(reader.read_new())
    path.write_bytes(data)
    found += steps(reader.read_new())
    assert found == [1]
