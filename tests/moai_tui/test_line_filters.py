from __future__ import annotations

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from moai_tui.line_filters import (
    ASCII_SIGNS,
    AsciiFilter,
    ColourlessFilter,
    TerminalFilters,
    in_ascii,
)
from moai_tui.widgets.dashboard.meter import bar
from moai_tui.widgets.glyphs import UNICODE

BLACK = Color.parse("#101010")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("╭─ a ─╮", "+- a -+"),
        ("AMD EPYC · 23.5 GiB", "AMD EPYC . 23.5 GiB"),
        ("▁▂▃█ ━━╸──", "__.# ===--"),
        ("⣿⠢", ".."),
        ("모델 é", "???? ?"),
    ],
)
def test_every_sign_gets_a_twin_of_the_same_width(text, plain):
    assert in_ascii(text) == plain
    assert cell_len(plain) == cell_len(text)


def test_our_own_signs_all_have_a_twin_that_says_something():
    signs = "".join(
        value for name in UNICODE.__slots__ if isinstance(value := getattr(UNICODE, name), str)
    )
    assert "?" not in in_ascii(signs)
    assert all(cell_len(chr(sign)) == 1 for sign in ASCII_SIGNS if sign != 0xA0)


def test_ascii_keeps_the_styles():
    bold = Style(bold=True)
    assert AsciiFilter().apply([Segment("─", bold)], BLACK) == [Segment("-", bold)]


@pytest.mark.parametrize(
    ("style", "plain"),
    [
        (Style(color="#d4d4d4", bgcolor="#101010"), Style()),
        (Style(color="#101010", bgcolor="#d4d4d4", bold=True), Style(bold=True, reverse=True)),
        (Style(color="#404040", bgcolor="#101010"), Style(dim=True)),
        (Style(color="#d4d4d4", bgcolor="#101010", reverse=True), Style(reverse=True)),
        (Style(underline=True), Style(underline=True)),
    ],
)
def test_without_colours_what_stood_out_still_does(style, plain):
    drawn = ColourlessFilter("#101010").apply([Segment("x", style)], BLACK)[0].style
    assert drawn.color is None
    assert drawn.bgcolor is None
    assert drawn == plain


def test_a_terminal_gets_the_filters_it_needs(monkeypatch):
    textuals = AsciiFilter()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("LANG", "C.UTF-8")
    assert TerminalFilters().after([textuals], None) == [textuals]
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("LANG", "C")
    plain = TerminalFilters()
    kinds = [type(one) for one in plain.after([textuals], "#101010")]
    assert kinds == [AsciiFilter, ColourlessFilter]
    assert plain.after([], "#101010") == plain.after([], "#101010"), "strips are kept by filter"


async def test_the_whole_screen_is_ascii_under_lang_c(scripted_app, facts, monkeypatch):
    """Borders, scroll bars and foreign text included: not one cell beyond ASCII."""
    monkeypatch.setenv("LANG", "C")
    app = scripted_app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.post_message(facts.reading(facts.cards(), 2, 1))
        app.post_message(facts.runs())
        await pilot.press("question_mark")
        await pilot.pause()
        strips = app.screen._compositor.render_strips()
        text = "\n".join(strip.text for strip in strips)
        assert text.isascii(), [line for line in text.splitlines() if not line.isascii()]
        assert "+----" in text


def test_a_bar_says_how_full_it_is_without_its_signs():
    cells = "".join(text for text, _ in bar(0.5, 7, "low"))
    assert in_ascii(cells) == "====---"
