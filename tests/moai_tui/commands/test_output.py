from __future__ import annotations

import json

import pytest

from moai_tui.commands import output


@pytest.fixture(autouse=True)
def fresh_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    output.ascii_only.cache_clear()


@pytest.mark.parametrize(
    ("environment", "plain"),
    [
        ({"LANG": "C"}, True),
        ({}, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),
        ({"LANG": "en_US.UTF-8"}, False),
        ({"LC_ALL": "C.UTF-8"}, False),
        ({"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, True),
        ({"LANG": "de_DE.ISO-8859-1"}, True),
    ],
)
def test_the_locale_decides(
    environment: dict[str, str], plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python sets LC_CTYPE itself where LANG is C; that says nothing of the terminal."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    output.ascii_only.cache_clear()
    assert output.ascii_only() is plain


def test_plain_output_has_no_foreign_character(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LANG", "C")
    output.write_line("5.0 → 4.0 … – 日本 ␛")
    assert capsys.readouterr().out == "5.0 -> 4.0 ~ - ?? ?\n"


def test_tables_are_aligned(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    output.write_table(("NAME", "STEP"), [("a", "7"), ("longer", "123")], "lr")
    assert capsys.readouterr().out == "NAME    STEP\na          7\nlonger   123\n"


def test_pairs_leave_out_what_is_unknown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output.write_pairs([("State", "running"), ("MFU", ""), ("A longer one", "x")])
    assert capsys.readouterr().out == "State         running\nA longer one  x\n"


def test_json_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_json({"a": "x\ny", "b": [1, None]})
    text = capsys.readouterr().out
    assert text.count("\n") == 1
    assert json.loads(text) == {"a": "x\ny", "b": [1, None]}


def test_json_passes_no_terminal_control(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_json({"name": "\x9b31m\u202e"})
    written = capsys.readouterr().out
    assert json.loads(written) == {"name": "\x9b31m\u202e"}
    assert written.isascii()
