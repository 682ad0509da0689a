"""`verify` finds what is not as it was written, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainer_core.run.storage.test_checkpoints import make
from trainer_core.run.record.directory import RunDirectory
from trainer_core.run.record.event_log import EventWriter
from trainer_core.run.record.event_rows import sealed
from trainer_core.run.record.events import Notice
from trainer_core.run.storage.verification import verify_run


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "20260101-000000-abcdef")
    run.path.mkdir()
    for step in (3, 6):
        make(run.path, step)
    writer = EventWriter(run.events_path, attempt=1)
    for number in range(5):
        writer.write(Notice(level="info", text=f"event {number}"))
    writer.close()
    return run


def test_what_is_whole_is_good(run: RunDirectory) -> None:
    read: list[int] = []
    found = verify_run(run, read.append)
    assert found.ok
    assert [check.step for check in found.checkpoints] == [6, 3]
    assert found.events == 5
    assert sum(read) == sum(check.bytes or 0 for check in found.checkpoints)


def test_a_flipped_bit_is_named_with_its_step(run: RunDirectory) -> None:
    file = run.path / "checkpoints" / "step-00000003" / "model.safetensors"
    file.write_bytes(b"\x01" + file.read_bytes()[1:])
    found = verify_run(run)
    assert not found.ok
    good, bad = found.checkpoints
    assert good.problem is None
    assert bad.problem == "model.safetensors was changed or cut short after it was saved"


@pytest.mark.parametrize("damage", ["broken", "missing"])
def test_a_damaged_row_is_counted(run: RunDirectory, damage: str) -> None:
    lines = run.events_path.read_bytes().splitlines(keepends=True)
    lines[2] = b"\x00 garbage\n" if damage == "broken" else b""
    run.events_path.write_bytes(b"".join(lines))
    found = verify_run(run)
    assert not found.ok
    assert (found.bad_rows, found.missing_rows) == ((1, 1) if damage == "broken" else (0, 1))


def test_rows_dropped_on_a_full_disk_are_told_and_not_missed(run: RunDirectory) -> None:
    lines = run.events_path.read_bytes().splitlines(keepends=True)
    told = lines[4].replace(b"event 4", b"1 events could not be written: the disk was full.")
    told = sealed(told.partition(b',"crc"')[0] + b"}") + b"\n"
    run.events_path.write_bytes(b"".join([*lines[:2], lines[3], told]))
    assert verify_run(run).ok


@pytest.mark.parametrize("content", [b"", b"\x10" + b"\x00" * 7 + b"{}", b"\xff" * 40])
def test_a_cut_model_file_is_named(run: RunDirectory, content: bytes) -> None:
    run.model_path.mkdir()
    (run.model_path / "model.safetensors").write_bytes(content)
    found = verify_run(run)
    assert not found.ok
    assert (found.model_problem or "").startswith("model.safetensors")
