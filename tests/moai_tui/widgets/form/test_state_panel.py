from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from moai_tui.widgets.form.state_panel import flowed, heading, wrapped
from tests.moai_tui.widget_app import text_of


def test_text_breaks_at_its_line_ends_and_between_words() -> None:
    lines = flowed([("one two three\nfour", "muted")], 9, 10)
    assert text_of(lines) == "one two\nthree\nfour"


def test_what_is_cut_ends_in_an_ellipsis() -> None:
    assert text_of(flowed([("aaaa bbbb cccc", "")], 10, 1)).endswith(" …")


@given(st.text(max_size=80), st.integers(4, 30), st.integers(1, 5))
def test_no_line_is_wider_and_none_more_than_asked_for(text: str, width: int, limit: int) -> None:
    lines = flowed([(text, "")], width, limit)
    assert len(lines) <= limit
    assert all(cell_len("".join(t for t, _ in line)) <= width for line in lines)


def test_a_sentence_hangs_under_its_mark() -> None:
    assert text_of(wrapped("one two three", 11, "bad", "✗ ")) == "✗ one two\n  three"


def test_a_heading_fills_the_width() -> None:
    assert cell_len(text_of([heading("Data", 40, "note")]) + " ") == 40
