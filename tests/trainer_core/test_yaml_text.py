from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer_core.errors import UserError
from trainer_core.yaml_text import (
    SIZE_LIMIT_BYTES,
    read_yaml,
    read_yaml_file,
    yaml_of_text,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("1E5", 1e5),
        ("1.0e-5", 1e-5),
        ("-3", -3),
        ("1_000", 1000),
        (".5", 0.5),
        ("2026-11-24", "2026-11-24"),
        ("1:30:00", "1:30:00"),
        ("true", True),
        ("null", None),
        ("'1e-5'", "1e-5"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_plain_values_mean_what_people_mean(text: str, value: object) -> None:
    assert read_yaml(f"key: {text}", "x")["key"] == value


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nb: 2\na: 3\n", "x.yaml:3: the key 'a' stands here a second time; keep one"),
        ("a:\n\tb: 1\n", "x.yaml:2: a tab cannot indent YAML; use spaces"),
        (
            "a: b: c\n",
            "x.yaml:1: a second ':' in one line; put the value in quotes, or start a new line",
        ),
        ("a: !!python/object:os.system x\n", None),
        ("a: [1\nb: 2\n", None),
        ("a: \x00\n", None),
        ("[" * 3000, None),
    ],
)
def test_broken_text_is_one_sentence_with_its_line(text: str, sentence: str | None) -> None:
    with pytest.raises(UserError) as caught:
        read_yaml(text, "x.yaml")
    words = str(caught.value)
    assert words.startswith("x.yaml")
    assert "\n" not in words
    if sentence is not None:
        assert words == sentence


@given(st.text(max_size=60))
def test_any_text_is_a_value_or_one_sentence(text: str) -> None:
    said = ""
    try:
        read_yaml(text, "x")
    except UserError as error:
        said = str(error)
    assert len(said.splitlines()) <= 1


@given(st.text(st.characters(codec="utf-8")))
def test_a_written_text_reads_back_the_same(text: str) -> None:
    assert read_yaml(f"key: {yaml_of_text(text)}", "x")["key"] == text
    assert read_yaml(f"key: {yaml_of_text((text, text))}", "x")["key"] == [text, text]


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("name: größe".encode("latin-1"))
    with pytest.raises(UserError, match="not UTF-8 text"):
        read_yaml_file(latin)
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (SIZE_LIMIT_BYTES + 1))
    with pytest.raises(UserError, match="larger than 1 MB"):
        read_yaml_file(large)
    with pytest.raises(UserError, match="Is a directory"):
        read_yaml_file(tmp_path)
    with pytest.raises(UserError, match="No such file"):
        read_yaml_file(tmp_path / "absent.yaml")


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfmodel: tiny\n")
    assert read_yaml_file(path) == {"model": "tiny"}
