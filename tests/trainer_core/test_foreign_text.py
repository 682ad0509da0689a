from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer_core.foreign_text import show, show_json, show_line

HOSTILE = {
    "title": "\x1b]0;owned\x07",
    "clipboard": "\x1b]52;c;aGk=\x07",
    "c1": "\x9b31mred",
    "bidi": "abc\u202etxt.exe",
    "isolate": "\u2066x\u2069",
    "tags": "\U000e0041\U000e0042",
    "private": "\ue000",
    "surrogate": "\ud800",
    "zero width": "a\u200bb",
    "line separator": "a\u2028b",
    "delete": "\x7f",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_a_terminal_obeys_becomes_visible(text: str) -> None:
    shown = show(text)
    assert all(character.isprintable() for character in shown)
    assert text not in shown


def test_plain_text_markup_tabs_and_lines_stay() -> None:
    text = "[red]def f():\n\treturn 'äß日本'[/red]"
    assert show(text) == text


def test_an_escape_is_shown_as_its_picture() -> None:
    assert show("\x1b[31m") == "␛[31m"


def test_long_text_is_clipped_with_an_ellipsis() -> None:
    assert show("x" * 10, limit=5) == "xxxx…"
    assert show("x" * 5, limit=5) == "xxxxx"


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert show(b"a\xffb") == "a\ufffdb"


def test_text_is_composed() -> None:
    assert show("e\u0301") == unicodedata.normalize("NFC", "e\u0301")


def test_stacked_marks_are_bounded() -> None:
    assert len(show("a" + "\u0323\u0300" * 500)) < 10


def test_one_line_stays_one_line() -> None:
    assert "\n" not in show_line("a\nb\tc")
    assert "\t" not in show_line("a\nb\tc")


@given(st.text(st.characters(), max_size=200))
def test_nothing_but_tab_and_newline_passes_unprintable(text: str) -> None:
    shown = show(text)
    bad = [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Co") and c not in "\n\t"]
    assert not bad


@given(st.binary(max_size=300))
def test_any_bytes_can_be_shown(data: bytes) -> None:
    assert show(data).encode("utf-8").decode("utf-8") == show(data)


@given(st.text())
def test_json_for_a_terminal_means_the_same_and_obeys_nothing(text: str) -> None:
    line = show_json(json.dumps({text: text}, ensure_ascii=False))
    assert json.loads(line) == {text: text}
    assert show_line(line, len(line)) == unicodedata.normalize("NFC", line) or not line.isascii()
    assert not any(unicodedata.category(letter) in ("Cc", "Cf", "Cs") for letter in line)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_json_keeps_no_raw_control(text: str) -> None:
    line = show_json(json.dumps([text], ensure_ascii=False))
    assert json.loads(line) == [text]
    assert line.isascii()


def test_json_in_other_scripts_stays_readable() -> None:
    assert show_json('["漢字 é 👩"]'.encode()) == '["漢字 é 👩"]'
