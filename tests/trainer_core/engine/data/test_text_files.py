"""Readers of text files: a corpus of broken files with the exact sentence each one gives."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer_core.engine.data.record import Record
from trainer_core.engine.data.source import DataFile
from trainer_core.engine.data.text_files import PASSAGE_CHARACTERS, read_csv, read_json, read_jsonl
from trainer_core.errors import DataError

Read = Callable[[str, bytes | str], tuple[list[Record], list[DataError]]]

GOOD = '{"a": "x"}\n'

BROKEN_ROWS = [
    (
        "cut.jsonl",
        GOOD + '{"a": "y\n' + GOOD,
        "cut.jsonl:2: is not valid JSON: a text is not closed on its line (character 9); "
        r"end it with a double quote, or write line breaks as \n",
        2,
    ),
    (
        "comma.jsonl",
        GOOD + '{"a" "y"}\n',
        'comma.jsonl:2: is not valid JSON: a colon is missing before "y"} (character 6); '
        "put one there",
        1,
    ),
    (
        "latin.jsonl",
        GOOD.encode() + b'{"a": "caf\xe9"}\n' + GOOD.encode(),
        "latin.jsonl:2: byte 11 of the line (0xe9) is not UTF-8; save the file as UTF-8",
        2,
    ),
    (
        "list.jsonl",
        GOOD + "[1, 2]\n",
        'list.jsonl:2: is a list, not a JSON object; write {"instruction": "…", "output": "…"}',
        1,
    ),
    (
        "number.jsonl",
        GOOD + "17\n",
        'number.jsonl:2: is a number, not a JSON object; write {"instruction": "…", "output": "…"}',
        1,
    ),
    (
        "blank.jsonl",
        GOOD + "\n\n" + "oops\n",
        "blank.jsonl:2 (line 4): is not valid JSON: no value begins with oops "
        "(character 1); put one JSON object a line",
        1,
    ),
    (
        "deep.jsonl",
        GOOD + '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}\n",
        "deep.jsonl:2: is nested too deeply; flatten it",
        1,
    ),
    (
        "nul.jsonl",
        (GOOD * 500).encode() + b'{"a": "\x00"}\n',
        "nul.jsonl:501: byte 8 of the line is NUL; remove it",
        500,
    ),
    (
        "cut.json",
        '[\n{"a": "x"},\n{"a": \n',
        "cut.json:2 (line 4): is not valid JSON: it ends too early; write the rest of it",
        1,
    ),
    (
        "latin.json",
        b'[\n{"a": "caf\xe9"}]',
        "latin.json (line 2): byte 11 of the line (0xe9) is not UTF-8; save the file as UTF-8",
        0,
    ),
    (
        "gap.json",
        '[\n{"a": "x"}\n{"a": "y"}]',
        "gap.json:1 (line 3): is not followed by a comma or the end of the list; "
        "put a comma or ] there",
        1,
    ),
    (
        "after.json",
        '[{"a": "x"}]\nmore',
        "after.json (line 1): something follows the list; remove it",
        1,
    ),
    (
        "mixed.json",
        '[{"a": "x"},\n null]',
        'mixed.json:2: is null, not a JSON object; write {"instruction": "…", "output": "…"}',
        1,
    ),
    (
        "fields.csv",
        "a,b\n1,2\n1,2,3\n1,2\n",
        "fields.csv:2 (line 3): has 3 fields where the header names 2; "
        "quote fields that contain the separator",
        2,
    ),
    (
        "open.csv",
        'a,b\n1,2\n3,"four\nfive\n',
        "open.csv:2 (line 3): has a quoted field that is never closed; double the quotes inside",
        1,
    ),
    (
        "quote.csv",
        'a,b\n1,"x"y\n1,2\n',
        "quote.csv:1 (line 2): is not valid CSV: ',' expected after '\"'; double the quotes inside",
        1,
    ),
    (
        "digits.jsonl",
        GOOD + '{"a": ' + "9" * 10_000 + "}\n",
        "digits.jsonl:2: holds a number of thousands of digits; shorten it, or write it in quotes",
        1,
    ),
    (
        "early.jsonl",
        (GOOD + '{"a": "\0"}\n' + GOOD).encode(),
        "early.jsonl:2: byte 8 of the line is NUL; remove it",
        2,
    ),
    (
        "latin.csv",
        b"a,b\n1,caf\xe9\n1,2\n",
        "latin.csv:1 (line 2): b: byte 0xe9 is not UTF-8; save the file as UTF-8",
        1,
    ),
    (
        "latin.txt",
        b"one\ncaf\xe9\nthree\n",
        "latin.txt:2: byte 4 of the line (0xe9) is not UTF-8; save the file as UTF-8",
        1,
    ),
]

BROKEN_FILES = [
    (
        "mac.csv",
        "a,b\r1,2\r",
        "mac.csv: its header has a carriage return outside of quotes; "
        "end lines with a line feed, or put the field in quotes",
    ),
    ("empty.jsonl", b"", "empty.jsonl: is empty; put rows into it, or name another file"),
    ("mark.jsonl", b"\xef\xbb\xbf", "mark.jsonl: is empty; put rows into it, or name another file"),
    ("empty.csv", b"\n\n", "empty.csv: is empty; put rows into it, or name another file"),
    (
        "wide.jsonl",
        '{"a": "x"}'.encode("utf-16"),
        "wide.jsonl: is UTF-16, not UTF-8; save the file as UTF-8",
    ),
    (
        "binary.txt",
        b"PK\x03\x04\x00\x00",
        "binary.txt: holds NUL bytes, so it is no text file in UTF-8; save the file as UTF-8",
    ),
    (
        "fake.jsonl.gz",
        b"not gzip",
        "fake.jsonl.gz: is no whole gzip file; fetch or pack it again",
    ),
    (
        "cut.jsonl.gz",
        gzip.compress(GOOD.encode() * 1000, mtime=0)[:-20],
        "cut.jsonl.gz: is no whole gzip file; fetch or pack it again",
    ),
    ("names.csv", "a,,c\n1,2,3\n", "names.csv: a column has no name; give every column a name"),
    ("twice.csv", "a,b,a\n1,2,3\n", "twice.csv: two columns are named 'a'; rename one in line 1"),
    (
        "head.csv",
        'a,"b"c\n1,2\n',
        "head.csv: its header is not valid CSV: ',' expected after '\"'; double the quotes inside",
    ),
]


@pytest.mark.parametrize(("name", "content", "sentence", "good"), BROKEN_ROWS)
def test_a_broken_row_is_named_and_the_others_are_read(
    read: Read, name: str, content: bytes | str, sentence: str, good: int
) -> None:
    records, errors = read(name, content)
    assert [str(error) for error in errors] == [sentence]
    assert len(records) == good


@pytest.mark.parametrize(("name", "content", "sentence"), BROKEN_FILES)
def test_a_file_that_is_no_data_is_one_sentence(
    read: Read, name: str, content: bytes | str, sentence: str
) -> None:
    with pytest.raises(DataError) as raised:
        read(name, content)
    assert str(raised.value).startswith(sentence)


def test_marks_line_ends_and_blank_lines_change_nothing(read: Read) -> None:
    records, errors = read("rows.jsonl", b'\xef\xbb\xbf{"a": "x"}\r\n\r\n{"a": "y"}')
    assert errors == []
    assert [record.value for record in records] == [{"a": "x"}, {"a": "y"}]
    assert [(record.row, record.line) for record in records] == [(1, 1), (2, 3)]
    records, _ = read("rows.csv", b"\xef\xbb\xbfa,b\r\n1,2\r\n")
    assert records[0].value == {"a": "1", "b": "2"}


def test_a_line_of_ten_megabytes_is_a_row(read: Read) -> None:
    long = "x" * 10_000_000
    records, errors = read("long.jsonl", json.dumps({"a": long}) + "\n")
    assert errors == []
    assert records[0].value["a"] == long
    records, errors = read("long.csv", f"a,b\n{long},2\n")
    assert errors == []
    assert records[0].value["a"] == long


def test_wrong_endings_are_read_as_what_they_are(read: Read) -> None:
    """JSON lines called .json, a list called .jsonl, a list inside an object."""
    assert len(read("lines.json", GOOD * 3)[0]) == 3
    assert len(read("list.jsonl", '[{"a": "x"},\n{"a": "y"}]')[0]) == 2
    records, _ = read("inside.json", '{"version": 1, "data": [{"a": "x"}, {"a": "y"}]}')
    assert [record.value["a"] for record in records] == ["x", "y"]


def test_columns_of_equal_length_are_rows(read: Read) -> None:
    records, errors = read("columns.json", '{"a": ["x", "y"], "b": ["1", "2"]}')
    assert errors == []
    assert [record.value for record in records] == [{"a": "x", "b": "1"}, {"a": "y", "b": "2"}]
    (alone,), _ = read("talk.json", '{"messages": [{"role": "user", "content": "hi"}]}')
    assert list(alone.value) == ["messages"]


def test_twenty_thousand_columns_are_no_trouble(read: Read) -> None:
    names = ",".join(f"c{number}" for number in range(20_000))
    records, errors = read("wide.csv", f"{names}\n{names}\n")
    assert errors == []
    assert len(records[0].value) == 20_000


def test_elements_of_a_json_list_know_their_lines(read: Read) -> None:
    records, errors = read("list.json", '[\n  {"a": "x"},\n\n  {"a":\n "y"},\n  {"a": "z"}\n]\n')
    assert errors == []
    assert [(record.row, record.line) for record in records] == [(1, 2), (2, 4), (3, 6)]


def test_csv_separators_and_line_breaks_in_fields(read: Read) -> None:
    records, errors = read("semi.csv", 'a;b\n"one\ntwo";2\n3;4\n')
    assert errors == []
    assert [record.value["a"] for record in records] == ["one\ntwo", "3"]
    assert [record.line for record in records] == [2, 4]
    assert read("bar.csv", "a|b\n1|2\n")[0][0].value == {"a": "1", "b": "2"}
    assert read("tab.tsv", "a\tb\n1,5\t2\n")[0][0].value == {"a": "1,5", "b": "2"}


def test_a_text_file_is_passages_that_lose_nothing(read: Read) -> None:
    paragraph = "word " * 60 + "\n"
    text = "\n".join(paragraph for _ in range(60))
    records, errors = read("book.txt", text)
    assert errors == []
    assert len(records) > 3
    assert [record.continues for record in records] == [True] * (len(records) - 1) + [False]
    assert all(len(record.value["text"]) < 2 * PASSAGE_CHARACTERS for record in records)
    joined = "".join(record.value["text"] for record in records)
    assert joined.split() == text.split()


def test_a_file_without_permission_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = DataFile(path=tmp_path / "x.jsonl", kind="jsonl", name="x.jsonl")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match="permission to read it is missing"):
        list(read_jsonl(file, lambda _: None))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ROWS = st.lists(st.dictionaries(st.text(), VALUES, min_size=1, max_size=4), min_size=1, max_size=6)


def _all(reader: Any, path: Path, kind: str) -> tuple[list[Record], list[DataError]]:
    errors: list[DataError] = []
    file = DataFile(path=path, kind=kind, name=path.name)
    return list(reader(file, errors.append)), errors


@given(rows=ROWS, indent=st.sampled_from([None, 1]))
def test_whatever_json_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], indent: int | None
) -> None:
    folder = tmp_path_factory.mktemp("json")
    lines = folder / "rows.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    whole = folder / "rows.json"
    whole.write_text(json.dumps(rows, indent=indent))
    for records, errors in (_all(read_jsonl, lines, "jsonl"), _all(read_json, whole, "json")):
        assert errors == []
        assert [record.value for record in records] == rows


@given(content=st.binary(max_size=300))
def test_no_bytes_make_a_reader_fall_over(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """Anything is either rows or sentences."""
    path = tmp_path_factory.mktemp("bytes") / "file"
    path.write_bytes(content)
    for reader, kind in ((read_jsonl, "jsonl"), (read_json, "json"), (read_csv, "csv")):
        refused: list[DataError] = []
        try:
            records, errors = _all(reader, path, kind)
        except DataError as error:
            records, errors, refused = [], [], [error]
        assert all(isinstance(record.value, dict) for record in records)
        assert all(str(error).startswith("file") and error.fix for error in errors + refused)
