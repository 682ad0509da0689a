"""All records of a source, whatever kind it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from trainer_core.engine.data.column_files import read_columns
from trainer_core.engine.data.hub_download import OnBytes
from trainer_core.engine.data.hub_rows import HubRows, load_hub_rows
from trainer_core.engine.data.python_source import Row, extract
from trainer_core.engine.data.record import OnProblem, Record
from trainer_core.engine.data.source import DataFile, Source, fingerprint
from trainer_core.engine.data.text_files import read_csv, read_json, read_jsonl, read_text
from trainer_core.errors import DataError

_READERS: dict[str, Callable[[DataFile, OnProblem], Iterator[Record]]] = {
    "jsonl": read_jsonl,
    "json": read_json,
    "csv": read_csv,
    "text": read_text,
    "parquet": read_columns,
    "arrow": read_columns,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A source whose bytes are on this machine."""

    source: Source
    fingerprint: str
    """Changes when the rows do."""
    hub_rows: HubRows | None = None

    @property
    def row_count(self) -> int | None:
        """Rows of a hub dataset's splits; None where only reading tells."""
        if self.hub_rows is None:
            return None
        return sum(len(rows) for _, rows in self.hub_rows.splits)

    def records(self, on_problem: OnProblem) -> Iterator[Record]:
        """Yield every record that can be read, telling of the others.

        Raises:
            DataError: If a file as a whole cannot be read, or the folder holds no Python.
        """
        if self.hub_rows is not None:
            yield from self.hub_rows.records()
        elif self.source.folder is not None:
            yield from _python_records(self.source, self.source.folder)
        else:
            yield from _file_records(self.source, on_problem)


@lru_cache(maxsize=2)
def _extracted(folder: Path) -> tuple[Row, ...]:
    """Parse a folder once: a source is gone through several times."""
    return tuple(extract(folder))


def open_source(
    source: Source,
    *,
    training_only: bool = False,
    identify: bool = True,
    on_bytes: OnBytes | None = None,
) -> Opened:
    """Fetch what has to be fetched, and tell the bytes apart from other versions of them.

    Args:
        source: What was found.
        training_only: Whether a split of its own for evaluation is left out.
        identify: False leaves the fingerprint empty and spares reading all bytes for it.
        on_bytes: Told how far a download is.

    Raises:
        UserError: If a hub id cannot be had.
        DataError: If a file cannot be read.
    """
    if source.kind == "hub":
        rows = load_hub_rows(source, training_only=training_only, on_bytes=on_bytes)
        return Opened(source=source, fingerprint=rows.fingerprint(), hub_rows=rows)
    return Opened(source=source, fingerprint=fingerprint(source) if identify else "")


def _file_records(source: Source, on_problem: OnProblem) -> Iterator[Record]:
    own = len({file.split for file in source.files}) > 1
    for file in source.files:
        for record in _READERS[file.kind](file, on_problem):
            if own:
                yield replace(record, split=file.split)
            else:
                yield _with_column_split(record)


def _with_column_split(record: Record) -> Record:
    """Rows of the package's own dataset carry their split."""
    if set(record.value) != {"module", "split", "instruction", "input", "output"}:
        return record
    held_out = record.value["split"] == "validation"
    return replace(record, split="eval" if held_out else "train")


def _python_records(source: Source, folder: Path) -> Iterator[Record]:
    rows = _extracted(folder)
    if not rows:
        raise DataError(
            source.name,
            "no function there has a docstring of 30 characters and a body of 2 to 25 lines",
            "name a folder with documented Python code",
        )
    own = len({row["split"] for row in rows}) > 1
    for number, row in enumerate(rows, 1):
        held_out = row["split"] == "validation"
        yield Record(
            file=f"{source.name} ({row['module']})",
            row=number,
            line=None,
            value=dict(row),
            split=("eval" if held_out else "train") if own else None,
        )
