"""Read Parquet and Arrow files through pyarrow, a batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from trainer_core.engine.data.record import OnProblem, Record
from trainer_core.engine.data.source import DataFile, unreadable
from trainer_core.errors import DataError, UserError

_BATCH_ROWS = 1024


def read_columns(file: DataFile, on_problem: OnProblem) -> Iterator[Record]:
    """Yield the rows of a Parquet or Arrow file.

    Raises:
        DataError: If the file is damaged or cannot be read.
        UserError: If pyarrow is not installed.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise UserError(
            f"{file.name}: reading it needs pyarrow; pip install 'moai-tui[train]'"
        ) from error
    row = 0
    try:
        for batch in _batches(file):
            for value in _rows(batch, file, row, on_problem):
                row += 1
                if value is not None:
                    yield Record(file=file.name, row=row, line=None, value=value)
    except pa.ArrowException as error:
        first = str(error).splitlines()[0].partition(". ")[0].rstrip(".")[:200]
        fault = f"is no whole {file.kind} file: {first}"
        raise DataError(file.name, fault, "fetch or write it again") from error
    except OSError as error:
        raise unreadable(file.name, error) from error
    if row == 0:
        raise DataError(file.name, "is empty", "put rows into it, or name another file")


def _batches(file: DataFile) -> Iterable[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.kind == "parquet":
        with pq.ParquetFile(file.path) as opened:
            yield from opened.iter_batches(batch_size=_BATCH_ROWS)
        return
    with pa.memory_map(str(file.path)) as mapped:
        try:
            stream = pa.ipc.open_stream(mapped)
        except pa.ArrowInvalid:
            opened_file = pa.ipc.open_file(mapped)
            for place in range(opened_file.num_record_batches):
                yield opened_file.get_batch(place)
            return
        yield from stream


def _rows(
    batch: Any,
    file: DataFile,
    before: int,
    on_problem: OnProblem,
) -> Iterator[dict[str, Any] | None]:
    try:
        whole = batch.to_pylist()
    except UnicodeDecodeError:
        whole = None  # one text is not UTF-8: row by row tells which
    if whole is not None:
        yield from whole
        return
    for place in range(batch.num_rows):
        try:
            yield batch.slice(place, 1).to_pylist()[0]
        except UnicodeDecodeError as error:
            what = f"byte 0x{error.object[error.start]:02x} of a text is not UTF-8"
            on_problem(DataError(file.name, what, "write texts as UTF-8", row=before + place + 1))
            yield None
