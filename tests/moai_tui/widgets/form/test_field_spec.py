from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moai_tui.widgets.form.field_spec import (
    FieldSpec,
    WrongText,
    number,
    shown,
    whole_number,
    words,
)


@pytest.mark.parametrize(
    ("text", "value"), [("512", 512), (" 1_000 ", 1000), ("16,384", 16384), ("2k", 2000)]
)
def test_whole_numbers_are_read_as_people_write_them(text: str, value: int) -> None:
    assert whole_number(text) == value


@pytest.mark.parametrize("text", ["abc", "1.5", "k", "", "１２", "1e3"])
def test_what_is_no_whole_number_says_how_one_looks(text: str) -> None:
    with pytest.raises(WrongText, match="write one like 512"):
        whole_number(text)


@pytest.mark.parametrize(("text", "value"), [("3e-4", 3e-4), ("0.5", 0.5), ("2", 2.0)])
def test_numbers_are_read_as_people_write_them(text: str, value: float) -> None:
    assert number(text) == value


@pytest.mark.parametrize("text", ["3x", "nan", "inf", "", "0,5"])
def test_what_is_no_finite_number_is_refused(text: str) -> None:
    with pytest.raises(WrongText):
        number(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_shown_number_is_read_as_the_same(value: float) -> None:
    assert number(shown(value)) == value


def test_values_are_shown_as_they_are_typed() -> None:
    assert [shown(v) for v in (None, True, ("0", "2"), 3e-4, 0.003, 7)] == [
        "", "yes", "0,2", "3e-4", "0.003", "7",
    ]  # fmt: skip
    assert words("0, 2 3") == ("0", "2", "3")


def test_an_empty_field_is_the_configs_own_default() -> None:
    assert FieldSpec(name="model", label="Model", help="").unset == "tiny"
    assert FieldSpec(name="steps", label="Steps", help="").unset is None
