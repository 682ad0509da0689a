"""The report counts what a run would train on, and says where it only estimates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainer_core.engine.data import analysis, counting
from trainer_core.engine.data.analysis import data_report, unusable
from trainer_core.engine.data.pack import plan_rows
from trainer_core.engine.data.prepared import prepare
from trainer_core.engine.data.tokenizer import load_tokenizer
from trainer_core.errors import DataError, DataErrors, UserError
from trainer_core.run.config.run_config import DataConfig, RunConfig

Write = Callable[..., Path]
Rows = list[dict[str, object]]


def config(dataset: Path | str, **changes: Any) -> RunConfig:
    data = DataConfig(**changes.pop("data", {}))
    return RunConfig(dataset=str(dataset), **{"sequence_length": 64, **changes}, data=data)


def test_its_numbers_are_those_of_the_run(write_rows: Write, pairs: Rows) -> None:
    """Two ways of code, one truth."""
    rows = [*pairs, {"instruction": "Say much.", "output": "word " * 200}]
    asked = config(write_rows(rows), data={"eval_fraction": 0.2})
    report, data = data_report(asked), prepare(asked, load_tokenizer("tiny"))
    assert (report.train_rows, report.eval_rows) == (len(data.train), len(data.eval))
    assert (report.tokens, report.counted_tokens) == (
        data.train.token_count,
        data.train.counted_count,
    )
    assert report.sequences == len(plan_rows(data.train.lengths, 64))
    assert report.longest_row_tokens == data.facts.longest_row_tokens
    assert (report.rows, report.dropped, report.too_long) == (40, 1, 1)
    assert not report.estimated
    assert sum(count for _, count in report.length_histogram) == 41
    assert report.format == "instruction"
    assert report.column_roles == {"instruction": "instruction", "output": "output"}


def test_three_rows_are_shown_as_the_model_sees_them(write_rows: Write, pairs: Rows) -> None:
    report = data_report(config(write_rows(pairs)))
    assert len(report.rendered) == 3
    row = report.rendered[0]
    assert row.prompt == "### Instruction:\nSay number 0 in words.\n\n### Response:\n"
    assert row.answer == "It is number 0.<|endoftext|>"
    assert row.tokens is not None
    assert row.counted_tokens is not None
    assert 0 < row.counted_tokens < row.tokens
    text = data_report(config(write_rows([{"text": "plain"}])))
    assert (text.rendered[0].prompt, text.rendered[0].answer) == ("", "plain<|endoftext|>")
    assert text.rendered[0].counted_tokens == (text.rendered[0].tokens or 0) - 1


def test_broken_rows_are_listed_and_counted(write_rows: Write, pairs: Rows) -> None:
    path = write_rows([*pairs, {"instruction": "a"}, {"instruction": "a", "output": 3}])
    report = data_report(config(path))
    assert report.error_count == 2
    error = report.errors[1]
    assert (error.file, error.row, error.line, error.column) == (str(path), 42, 42, "output")
    assert (error.message, error.fix) == (
        "is a number where text was expected",
        "write it in quotes",
    )
    assert report.dropped == 0
    assert data_report(config(path, skip_bad_rows=True)).dropped == 2


def test_a_model_without_a_tokenizer_here_still_shows_the_rows(
    write_rows: Write, pairs: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise UserError("model 'o/n': the hub cannot be reached; connect to a network")

    monkeypatch.setattr(analysis, "load_encoder", offline)
    report = data_report(config(write_rows(pairs), model="o/n", data={"eval_fraction": 0.2}))
    assert (report.tokens, report.sequences) == (None, None)
    assert (report.errors[0].file, report.errors[0].message) == ("o/n", "the hub cannot be reached")
    assert report.errors[0].fix == "connect to a network"
    assert report.prompt_format == "instruct"
    assert report.train_rows + report.eval_rows == 40
    assert report.eval_rows > 0


def test_much_data_is_estimated_from_its_first_rows(
    write_rows: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"instruction": f"Say {number:05}.", "output": f"It is {number:05}."}
        for number in range(2000)
    ]
    path = write_rows(rows)
    whole = data_report(config(path))
    monkeypatch.setattr(analysis, "CHECKED_BYTES", 1000)
    monkeypatch.setattr(analysis, "SAMPLED_ROWS", 200)
    part = data_report(config(path))
    assert part.estimated
    assert part.rows == pytest.approx(2000, rel=0.1)
    assert part.tokens == pytest.approx(whole.tokens or 0, rel=0.1)
    assert part.counted_tokens == pytest.approx(whole.counted_tokens or 0, rel=0.1)


def test_much_text_is_counted_in_part(
    write_rows: Write, pairs: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_rows(pairs)
    whole = data_report(config(path))
    monkeypatch.setattr(counting, "COUNTED_CHARACTERS", 1000)
    part = data_report(config(path))
    assert part.estimated
    assert (part.rows, part.error_count) == (40, 0)
    assert part.tokens == pytest.approx(whole.tokens or 0, rel=0.1)


def test_an_evaluation_dataset_is_checked_too(write_rows: Write, pairs: Rows) -> None:
    other = write_rows([*pairs[:5], {"instruction": "a"}], "eval.jsonl")
    report = data_report(config(write_rows(pairs), eval_dataset=str(other)))
    assert (report.train_rows, report.eval_rows, report.error_count) == (40, 5, 1)
    assert report.errors[0].file == str(other)


def test_a_dataset_that_cannot_be_used_has_a_report_too() -> None:
    error = DataError("f", "is empty", "fill it", row=3, column="c")
    report = unusable("f", error)
    assert (report.format, report.rows, report.error_count) == ("unknown", 0, 1)
    assert (report.errors[0].row, report.errors[0].message) == (3, "is empty")
    assert unusable("f", DataErrors([error], 9)).error_count == 9
    assert unusable("f", UserError("dataset 'f': no hub; wait")).errors[0].message == "no hub"
