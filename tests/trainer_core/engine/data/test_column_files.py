"""Parquet and Arrow files through pyarrow."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainer_core.engine.data.column_files import read_columns
from trainer_core.engine.data.record import Record
from trainer_core.engine.data.source import DataFile
from trainer_core.errors import DataError

TABLE = pa.table({"a": ["x", None, "z"], "m": [[{"role": "user"}], [], None]})


def read(path: Path) -> tuple[list[Record], list[DataError]]:
    errors: list[DataError] = []
    kind = path.suffix.removeprefix(".")
    file = DataFile(path=path, kind=kind, name=path.name)
    return list(read_columns(file, errors.append)), errors


def test_rows_come_as_they_were_written(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "t.parquet")
    with pa.ipc.new_file(tmp_path / "f.arrow", TABLE.schema) as sink:
        sink.write_table(TABLE)
    with pa.ipc.new_stream(tmp_path / "s.arrow", TABLE.schema) as sink:
        sink.write_table(TABLE)
    for name in ("t.parquet", "f.arrow", "s.arrow"):
        records, errors = read(tmp_path / name)
        assert errors == []
        assert [record.value for record in records] == TABLE.to_pylist()
        assert [record.row for record in records] == [1, 2, 3]


def test_text_that_is_no_utf8_is_named_by_its_row(tmp_path: Path) -> None:
    raw = pa.array([b"fine", b"caf\xe9", b"fine"]).view(pa.string())
    pq.write_table(pa.table({"a": raw}), tmp_path / "t.parquet")
    records, errors = read(tmp_path / "t.parquet")
    assert [record.row for record in records] == [1, 3]
    assert [str(error) for error in errors] == [
        "t.parquet:2: byte 0xe9 of a text is not UTF-8; write texts as UTF-8"
    ]


def test_damaged_and_empty_files_are_one_sentence(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:-7])
    with pytest.raises(DataError, match=r"cut\.parquet: is no whole parquet file: [^.]*; fetch or"):
        read(tmp_path / "cut.parquet")
    (tmp_path / "bad.arrow").write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match=r"bad\.arrow: is no whole arrow file"):
        read(tmp_path / "bad.arrow")
    pq.write_table(TABLE.slice(0, 0), tmp_path / "none.parquet")
    with pytest.raises(DataError, match=r"none\.parquet: is empty"):
        read(tmp_path / "none.parquet")
