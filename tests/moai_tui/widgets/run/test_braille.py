"""Dots in cells."""

from __future__ import annotations

from moai_tui.widgets.run.braille import BRAILLE, Dots


def drawn(dots: Dots) -> list[str]:
    """Return the rows of a layer as braille text."""
    columns = [dots.cells(dots.columns[2 * x], dots.columns[2 * x + 1]) for x in range(dots.width)]
    return ["".join(chr(BRAILLE + bits) for bits in row) for row in zip(*columns, strict=True)]


def test_a_full_cell() -> None:
    dots = Dots(1, 1)
    dots.bar(0, 0, 3)
    dots.bar(1, 0, 3)
    assert drawn(dots) == ["⣿"]


def test_dot_zero_is_at_the_bottom_left() -> None:
    dots = Dots(2, 2)
    dots.bar(0, 0, 0)
    dots.bar(3, 7, 7)
    assert drawn(dots) == ["⠀⠈", "⡀⠀"]


def test_shading_keeps_both_ends_and_half_of_the_middle() -> None:
    dots = Dots(1, 4)
    dots.shade(0, 1, 12)
    mask = dots.columns[0]
    assert mask & 1 << 1
    assert mask & 1 << 12
    assert 6 <= mask.bit_count() <= 7


def test_a_line_has_no_gaps() -> None:
    dots = Dots(6, 8)
    dots.line(0, 31, 11, 0)
    assert all(dots.columns)
    for left, right in zip(dots.columns, dots.columns[1:], strict=False):
        lowest_left = (left & -left).bit_length()
        assert lowest_left - 2 <= right.bit_length()
        assert (left << 1 | left | left >> 1) & right


def test_a_flat_line_is_one_dot_high() -> None:
    dots = Dots(3, 2)
    dots.line(0, 3, 5, 3)
    assert dots.columns == [1 << 3] * 6


def test_clearing_leaves_what_stands_left() -> None:
    dots = Dots(2, 1)
    for x in range(4):
        dots.bar(x, 0, 0)
    dots.clear_from(2)
    assert dots.columns == [1, 1, 0, 0]
