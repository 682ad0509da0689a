"""An open sequence length is the one that the run itself will choose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from trainer_core.engine.data.analysis import data_report
from trainer_core.engine.data.fitting import advice_on_length, fitting_length
from trainer_core.engine.data.lengths import DEFAULT_SEQUENCE_LENGTH
from trainer_core.run.config.defaults import TINY_LENGTH
from trainer_core.run.config.run_config import RunConfig

Write = Callable[..., Path]


def test_the_length_of_the_model_is_taken_unless_one_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert fitting_length(RunConfig()) == TINY_LENGTH
    assert fitting_length(RunConfig(sequence_length=40)) == 40
    assert fitting_length(RunConfig(model="owner/unknown")) == DEFAULT_SEQUENCE_LENGTH


def test_long_rows_are_counted_at_the_length_they_make(
    write_rows: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    path = write_rows([{"instruction": "Say much.", "output": "word " * 200}] * 5)
    report = data_report(RunConfig(dataset=str(path)))
    assert (report.sequence_length, report.rows, report.too_long) == (512, 5, 0)
    short = write_rows([{"instruction": "Say little.", "output": "word"}] * 5)
    assert data_report(RunConfig(dataset=str(short))).sequence_length == TINY_LENGTH


def test_nobody_is_told_to_go_beyond_the_context() -> None:
    assert (
        advice_on_length(RunConfig(), 900) == "set sequence_length to 900, or data.truncate to true"
    )
    assert "the model takes 1024 tokens at most" in advice_on_length(RunConfig(), 9000)
    unknown = RunConfig(model="owner/unknown")
    assert advice_on_length(unknown, 9000).startswith("set sequence_length to 9000")
