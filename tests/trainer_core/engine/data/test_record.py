"""A record turns what is wrong with it into an error with its place."""

from __future__ import annotations

from trainer_core.engine.data.record import Record


def test_an_error_has_the_place_of_its_record() -> None:
    record = Record(file="a.csv", row=3, line=7, value={})
    error = record.error("output", "is missing", "give it a text")
    assert (error.file, error.row, error.line, error.column) == ("a.csv", 3, 7, "output")
    assert str(error) == "a.csv:3 (line 7): output: is missing; give it a text"
