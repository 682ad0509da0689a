"""Signs for every terminal."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from rich.cells import cell_len

from moai_tui.widgets.glyphs import ASCII, UNICODE, Glyphs, glyphs


def test_glyphs_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("LC_ALL", "C")
    assert glyphs() is ASCII
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert glyphs() is UNICODE


@pytest.mark.parametrize("signs", [UNICODE, ASCII])
def test_every_sign_is_one_cell_wide(signs: Glyphs) -> None:
    texts = [value for value in asdict(signs).values() if isinstance(value, str)]
    assert all(cell_len(character) == 1 for text in texts for character in text)


def test_ascii_is_ascii() -> None:
    assert all(value.isascii() for value in asdict(ASCII).values() if isinstance(value, str))
