"""The sentences a user reads."""

from __future__ import annotations

from trainer_core.errors import ConfigError, ConfigErrors, DataError, unwritable


def test_a_wrong_field_says_what_and_how_to_mend_it() -> None:
    error = ConfigError("checkpoint.keep", 0, "use 1 or more")
    assert str(error) == "checkpoint.keep: 0 cannot be used; use 1 or more"
    error = ConfigError("steps", -1, "use 1 or more", "steps are counted from 1")
    assert str(error) == "steps: steps are counted from 1; use 1 or more"
    assert not isinstance(error, ValueError), "msgspec would wrap it while decoding"


def test_a_key_with_a_line_break_stays_on_one_line() -> None:
    assert str(ConfigError("data.\r", None, "x", "unknown key")) == "data.\\r: unknown key; x"


def test_every_wrong_field_is_a_line() -> None:
    errors = ConfigErrors([ConfigError("a", 1, "x"), ConfigError("b", 2, "y")])
    assert str(errors).splitlines() == ["a: 1 cannot be used; x", "b: 2 cannot be used; y"]


def test_a_path_that_is_refused_says_what_to_check() -> None:
    error = unwritable(NotADirectoryError(20, "Not a directory", "/a/b"))
    assert str(error) == "/a/b: not a directory; check the path and its owner"
    full = unwritable(OSError(28, "No space left on device", "/a/b"))
    assert str(full) == "/a/b: no space left on device; free some space"


def test_a_broken_row_says_where() -> None:
    error = DataError("rows.jsonl", "is a number", "write text", row=7, column="output")
    assert str(error) == "rows.jsonl:7: output: is a number; write text"
    assert str(DataError("rows.jsonl", "is empty", "add rows")) == "rows.jsonl: is empty; add rows"
