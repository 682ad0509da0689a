"""Where much text is counted in part, one very long row does not stand for the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from trainer_core.engine.data import counting
from trainer_core.engine.data.analysis import data_report
from trainer_core.run.config.run_config import DataConfig, RunConfig

Write = Callable[..., Path]
Rows = list[dict[str, object]]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Much text begins with little of it."""
    monkeypatch.setattr(counting, "COUNTED_CHARACTERS", 3000)
    monkeypatch.setattr(counting, "LONG_CHARACTERS", 1000)


@pytest.mark.parametrize("place", [0, 2, 500])
def test_one_very_long_row_is_one_row(quick: None, write_rows: Write, place: int) -> None:
    rows: Rows = [{"instruction": "Say.", "output": f"It is {n:05}."} for n in range(600)]
    config = RunConfig(dataset=str(write_rows(rows)), sequence_length=64)
    short = data_report(config)
    rows.insert(place, {"instruction": "Say all.", "output": "word " * 100_000})
    long = data_report(RunConfig(dataset=str(write_rows(rows)), sequence_length=64))
    assert short.estimated
    assert (long.too_long, long.dropped, long.rows) == (1, 1, 600)
    assert long.tokens == pytest.approx(short.tokens or 0, rel=0.05)
    assert long.sequences == pytest.approx(short.sequences or 0, rel=0.05)
    assert long.longest_row_tokens == pytest.approx(200_000, rel=0.1)
    assert sum(count for _, count in long.length_histogram) == pytest.approx(601, abs=2)


def test_a_long_text_goes_on_in_as_many_rows_as_it_fills(quick: None, write_rows: Write) -> None:
    rows: Rows = [{"text": f"It is {n:05}."} for n in range(600)]
    config = RunConfig(dataset=str(write_rows(rows)), sequence_length=64, data=DataConfig())
    short = data_report(config)
    path = write_rows([*rows, {"text": "word " * 20_000}])
    long = data_report(RunConfig(dataset=str(path), sequence_length=64))
    more = (long.tokens or 0) - (short.tokens or 0)
    assert long.longest_row_tokens is not None
    # Its row may be among those held out.
    assert more == pytest.approx(long.longest_row_tokens, rel=0.1)
    assert (long.sequences or 0) - (short.sequences or 0) == pytest.approx(more / 64, rel=0.1)


def test_rows_that_are_all_long_are_counted_by_their_beginnings(
    write_rows: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: Rows = [{"text": f"number {n:03} " * 1000} for n in range(6)]
    path = write_rows(rows)
    config = RunConfig(dataset=str(path), sequence_length=64, data=DataConfig(eval_fraction=0))
    exact = data_report(config)
    monkeypatch.setattr(counting, "LONG_CHARACTERS", 2000)
    estimated = data_report(config)
    assert estimated.tokens == pytest.approx(exact.tokens or 0, rel=0.05)
    assert estimated.train_rows == pytest.approx(exact.train_rows, rel=0.05)
