"""Going through a source: layouts from the first records, broken rows counted, hashes stable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainer_core.engine.data.checked import (
    ERRORS_KEPT,
    CheckedRow,
    Tally,
    checked_rows,
    detect_layout,
)
from trainer_core.engine.data.prompt_format import PromptFormat
from trainer_core.engine.data.read import Opened, open_source
from trainer_core.engine.data.source import find_source
from trainer_core.errors import DataError, DataErrors
from trainer_core.run.config.run_config import DataConfig

Write = Callable[..., Path]


def opened(path: Path, **data: Any) -> Opened:
    return open_source(find_source(str(path), DataConfig(**data)))


def go_through(source: Opened, prompt: str = "instruct") -> tuple[list[CheckedRow], Tally]:
    tally = Tally()
    form = PromptFormat(name=prompt)  # type: ignore[arg-type]
    return list(checked_rows(source, detect_layout(source), form, tally)), tally


def test_an_optional_column_may_be_missing_in_the_first_row(write_rows: Write) -> None:
    rows = [{"instruction": "a", "output": "b"}, {"instruction": "a", "input": "c", "output": "b"}]
    layout = detect_layout(opened(write_rows(rows)))
    assert layout.roles == {"instruction": "instruction", "output": "output", "input": "input"}


def test_broken_rows_are_placed_and_empty_ones_counted(write_rows: Write) -> None:
    path = write_rows(
        [
            {"instruction": "a", "output": "b"},
            {"instruction": "a"},
            {"instruction": "a", "output": ""},
            {"instruction": "a", "output": 7},
        ]
    )
    rows, tally = go_through(opened(path))
    assert len(rows) == 1
    assert (tally.records, tally.empty, tally.error_count) == (4, 1, 2)
    assert [str(error) for error in tally.errors] == [
        f"{path}:2: output: is missing; give it a text",
        f"{path}:4: output: is a number where text was expected; write it in quotes",
    ]
    with pytest.raises(DataErrors, match="leave them out with --skip-bad-rows"):
        tally.raise_errors()


def test_many_errors_are_counted_and_few_kept() -> None:
    tally = Tally()
    for row in range(ERRORS_KEPT + 7):
        tally.add(DataError("f", "p", "x", row=row))
    with pytest.raises(DataErrors) as raised:
        tally.raise_errors()
    assert (len(raised.value.errors), raised.value.count) == (ERRORS_KEPT, ERRORS_KEPT + 7)
    assert "… and 7 more" in str(raised.value)


def test_a_hash_is_what_a_row_says_whatever_the_prompt(write_rows: Write) -> None:
    source = opened(write_rows([{"prompt": "a", "completion": "b"}]))
    (one,), (other,) = go_through(source)[0], go_through(source, "alpaca")[0]
    assert one.rendered != other.rendered
    assert one.row_hash == other.row_hash


def test_a_file_of_broken_rows_only_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text("nothing\n")
    with pytest.raises(DataErrors, match=r"bad\.jsonl:1: is not valid JSON"):
        detect_layout(opened(path))
    path.write_text("{}\n")
    with pytest.raises(DataError, match="has no rows"):
        detect_layout(opened(path))


def test_training_on_prompts_is_a_switch_of_the_data(write_rows: Write) -> None:
    path = write_rows([{"prompt": "a", "completion": "b"}])
    (row,), _ = go_through(opened(path, train_on_prompt=True))
    assert all(piece.counted for piece in row.rendered.pieces)
