"""Read JSON lines, JSON, CSV and plain text, strictly UTF-8, with every fault's place.

Own readers: pandas and `datasets` take seconds to import and say "parse error" where a person
needs the file, the line and what to do.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
import zlib
from collections.abc import Iterator
from typing import IO, Any

from trainer_core.engine.data.json_faults import json_fault
from trainer_core.engine.data.record import OnProblem, Record
from trainer_core.engine.data.source import DataFile, unreadable
from trainer_core.errors import DataError

PASSAGE_CHARACTERS = 4000
"""A text file is read in passages of whole paragraphs of about this size, so that some can be held
out and a reader sees rows; longer ones are split by tokens later."""

_SAVE_AS_UTF8 = "save the file as UTF-8"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_jsonl(file: DataFile, on_problem: OnProblem) -> Iterator[Record]:
    """Yield one record a line; blank lines are passed over.

    Raises:
        DataError: If the file as a whole cannot be read.
    """
    row = 0
    for line, raw in enumerate(_lines(file), 1):
        if not raw.strip():
            continue
        row += 1
        if row == 1 and raw.lstrip().startswith(b"["):
            yield from read_json(file, on_problem)
            return
        text = _decoded(raw, file, row, line, on_problem)
        if text is None:
            continue
        try:
            value = json.loads(text)
        except RecursionError:
            on_problem(_problem(file, row, line, "is nested too deeply", "flatten it"))
        except ValueError as error:
            on_problem(_problem(file, row, line, *json_fault(error)))
        else:
            yield from _object(value, file, row, line, on_problem)


def read_json(file: DataFile, on_problem: OnProblem) -> Iterator[Record]:
    """Yield the objects of one JSON list, or of the one list inside a JSON object.

    A file of JSON lines with the wrong ending is read as such. After a fault in the JSON itself
    nothing more can be read of the file.

    Raises:
        DataError: If the file as a whole cannot be read.
    """
    lines = list(_lines(file))
    if _is_jsonl(lines):
        yield from read_jsonl(file, on_problem)
        return
    decoded = [_decoded(raw, file, None, line, on_problem) for line, raw in enumerate(lines, 1)]
    if None in decoded:
        return
    text = "".join(line for line in decoded if line is not None)
    start = _list_start(text)
    if start is None:
        yield from _single_document(text, file, on_problem)
        return
    yield from _elements(text, start, file, on_problem)


def read_csv(file: DataFile, on_problem: OnProblem) -> Iterator[Record]:
    """Yield one record a row below the header; all values are text.

    The separator is the comma, or what the header shows: semicolon, tab or bar.

    Raises:
        DataError: If there is no usable header, or the file as a whole cannot be read.
    """
    csv.field_size_limit(sys.maxsize)  # the default refuses texts above 128 KiB
    raw_lines = _lines(file)
    first = next(raw_lines)
    lines = (
        raw.decode("utf-8", "surrogateescape") for part in ((first,), raw_lines) for raw in part
    )
    reader = csv.reader(lines, delimiter=_separator(first, file), strict=True)
    header = _header(reader, file)
    row = 0
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            row += 1
            on_problem(_problem(file, row, line, *_csv_fault(error)))
            continue
        if not fields:
            continue
        row += 1
        fault = _fields_fault(header, fields, file, row, line)
        if fault is not None:
            on_problem(fault)
            continue
        value = dict(zip(header, fields, strict=True))
        yield Record(file=file.name, row=row, line=line, value=value)


def read_text(file: DataFile, on_problem: OnProblem) -> Iterator[Record]:
    """Yield passages of a text file as rows with the one column `text`.

    Raises:
        DataError: If the file as a whole cannot be read.
    """
    passage: list[str] = []
    size, row, first = 0, 0, 1
    for line, raw in enumerate(_lines(file), 1):
        text = _decoded(raw, file, line, line, on_problem)
        if text is None:
            continue
        blank = not text.strip()
        full = size >= PASSAGE_CHARACTERS and (blank or size >= 2 * PASSAGE_CHARACTERS)
        if full:
            row += 1
            yield _passage(file, row, first, passage, continues=True)
            passage, size, first = [], 0, line
        passage.append(text.replace("\r\n", "\n"))
        size += len(text)
    if "".join(passage).strip():
        yield _passage(file, row + 1, first, passage, continues=False)


def _passage(file: DataFile, row: int, line: int, lines: list[str], *, continues: bool) -> Record:
    value = {"text": "".join(lines).strip("\n")}
    return Record(file=file.name, row=row, line=line, value=value, continues=continues)


def _lines(file: DataFile) -> Iterator[bytes]:
    """Yield the lines of a file with their ends, without a byte order mark."""
    try:
        with _open(file) as opened:
            head = opened.peek(4096)[:4096] if hasattr(opened, "peek") else b""
            _check_head(head, file)
            for number, line in enumerate(opened):
                yield line.removeprefix(_BYTE_ORDER_MARK) if number == 0 else line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        fault = "is no whole gzip file"
        raise DataError(file.name, fault, "fetch or pack it again") from error
    except OSError as error:
        raise unreadable(file.name, error) from error


def _open(file: DataFile) -> IO[bytes]:
    if file.path.name.lower().endswith(".gz"):
        return gzip.open(file.path, "rb")  # type: ignore[return-value]  # it is one, untyped
    return file.path.open("rb")


def _check_head(head: bytes, file: DataFile) -> None:
    if not head.removeprefix(_BYTE_ORDER_MARK).strip():
        raise DataError(file.name, "is empty", "put rows into it, or name another file")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(file.name, "is UTF-16, not UTF-8", _SAVE_AS_UTF8)
    # One row with a NUL is that row's fault; a file that begins so is none of text.
    if b"\0" in head.partition(b"\n")[0]:
        raise DataError(file.name, "holds NUL bytes, so it is no text file in UTF-8", _SAVE_AS_UTF8)


def _decoded(
    raw: bytes, file: DataFile, row: int | None, line: int, on_problem: OnProblem
) -> str | None:
    """Return a line as text; None after telling what is wrong with it."""
    if b"\0" in raw:
        byte = raw.index(b"\0") + 1
        on_problem(_problem(file, row, line, f"byte {byte} of the line is NUL", "remove it"))
        return None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        place = f"byte {error.start + 1} of the line (0x{raw[error.start]:02x}) is not UTF-8"
        on_problem(_problem(file, row, line, place, _SAVE_AS_UTF8))
        return None


def _problem(file: DataFile, row: int | None, line: int | None, what: str, fix: str) -> DataError:
    return DataError(file.name, what, fix, row=row, line=line)


def _object(
    value: object, file: DataFile, row: int, line: int, on_problem: OnProblem
) -> Iterator[Record]:
    if isinstance(value, dict):
        yield Record(file=file.name, row=row, line=line, value=value)
        return
    kind = {list: "a list", str: "a text", type(None): "null"}.get(type(value), "a number")
    fix = 'write {"instruction": "…", "output": "…"}'
    on_problem(_problem(file, row, line, f"is {kind}, not a JSON object", fix))


def _is_jsonl(lines: list[bytes]) -> bool:
    """Whether the first two lines that are not blank are whole objects each."""
    filled = [line for line in lines if line.strip()][:2]
    if len(filled) < 2 or not filled[0].lstrip().startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(filled[0]), dict)
    except (ValueError, RecursionError):
        return False


def _list_start(text: str) -> int | None:
    """Return where the elements of the list of rows begin; None where there is no such list."""
    head = text.lstrip()
    if head.startswith("["):
        return text.index("[") + 1
    return None


def _elements(text: str, start: int, file: DataFile, on_problem: OnProblem) -> Iterator[Record]:
    """Decode a list element by element, so that each one's line is known."""
    decoder = json.JSONDecoder()
    place, row, line, counted = start, 0, 1, 0
    while True:
        place = _skip_blank(text, place)
        if text[place : place + 1] == "]":
            rest = text[place + 1 :].strip()
            if rest:
                line += text.count("\n", counted, place)
                on_problem(_problem(file, None, line, "something follows the list", "remove it"))
            return
        row += 1
        line += text.count("\n", counted, place)
        counted = place
        try:
            value, place = decoder.raw_decode(text, place)
        except RecursionError:
            on_problem(_problem(file, row, line, "is nested too deeply", "flatten it"))
            return
        except ValueError as error:
            at = error.lineno if isinstance(error, json.JSONDecodeError) else line
            on_problem(_problem(file, row, at, *json_fault(error)))
            return
        yield from _object(value, file, row, line, on_problem)
        place = _skip_blank(text, place)
        if text[place : place + 1] == ",":
            place += 1
        elif text[place : place + 1] != "]":
            at = 1 + text.count("\n", 0, place)
            fault = "is not followed by a comma or the end of the list"
            on_problem(_problem(file, row, at, fault, "put a comma or ] there"))
            return


def _skip_blank(text: str, place: int) -> int:
    while place < len(text) and text[place] in " \t\r\n":
        place += 1
    return place


def _single_document(text: str, file: DataFile, on_problem: OnProblem) -> Iterator[Record]:
    """A file that is one JSON value but no list: its rows may stand in one of its fields."""
    try:
        value = json.loads(text)
    except RecursionError:
        on_problem(_problem(file, 1, 1, "is nested too deeply", "flatten it"))
        return
    except ValueError as error:
        at = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        on_problem(_problem(file, 1, at, *json_fault(error)))
        return
    rows = _field_of_rows(value)
    if rows is None:
        yield from _object(value, file, 1, 1, on_problem)
        return
    for row, element in enumerate(rows, 1):
        if isinstance(element, dict):
            yield Record(file=file.name, row=row, line=None, value=element)
        else:
            fix = "write an object with the columns"
            on_problem(_problem(file, row, None, "is not a JSON object", fix))


def _field_of_rows(value: object) -> list[Any] | None:
    """Return the rows of {"data": [{…}, …]} or {"column": […], …}; None for anything else."""
    if not isinstance(value, dict):
        return None
    columns = list(value.values())
    if len(columns) > 1 and all(isinstance(column, list) for column in columns):
        if columns[0] and not isinstance(columns[0][0], dict):
            if len({len(column) for column in columns}) == 1:
                return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    for name in ("data", "rows", "train", "examples", "instances"):
        rows = value.get(name)
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            return rows
    return None


def _separator(first: bytes, file: DataFile) -> str:
    if file.path.name.lower().removesuffix(".gz").endswith(".tsv"):
        return "\t"
    if b"," in first:
        return ","
    return next((mark for mark in ";\t|" if mark.encode() in first), ",")


def _header(reader: Any, file: DataFile) -> list[str]:
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        fault, fix = _csv_fault(error)
        raise DataError(file.name, f"its header {fault}", fix) from error
    seen: set[str] = set()
    for name in header:
        if not name:
            raise DataError(file.name, "a column has no name", "give every column a name in line 1")
        if name in seen:
            raise DataError(file.name, f"two columns are named {name!r}", "rename one in line 1")
        seen.add(name)
    return header


def _csv_fault(error: csv.Error) -> tuple[str, str]:
    """Return what is wrong and what to do."""
    text = str(error)
    if "unexpected end of data" in text:
        return "has a quoted field that is never closed", "double the quotes inside"
    if "new-line character" in text:
        fault = "has a carriage return outside of quotes"
        return fault, "end lines with a line feed, or put the field in quotes"
    return f"is not valid CSV: {text}", "double the quotes inside"


def _fields_fault(
    header: list[str], fields: list[str], file: DataFile, row: int, line: int
) -> DataError | None:
    if len(fields) != len(header):
        what = f"has {len(fields)} fields where the header names {len(header)}"
        return _problem(file, row, line, what, "quote fields that contain the separator")
    for name, field in zip(header, fields, strict=True):
        if field.isascii() and "\0" not in field:
            continue
        if "\0" in field:
            return DataError(
                file.name, "contains a NUL byte", "remove it", row=row, line=line, column=name
            )
        strange = next((mark for mark in field if "\udc80" <= mark <= "\udcff"), None)
        if strange is not None:
            what = f"byte 0x{ord(strange) - 0xDC00:02x} is not UTF-8"
            return DataError(file.name, what, _SAVE_AS_UTF8, row=row, line=line, column=name)
    return None
