"""The one entry of the trainer: rows to documents, splits, samples, cache, and every refusal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from trainer_core.engine.data.prepared import PreparedData, prepare
from trainer_core.engine.data.tokenizer import load_tokenizer
from trainer_core.errors import ConfigError, DataError, DataErrors
from trainer_core.run.config.run_config import DataConfig, RunConfig

Write = Callable[..., Path]
Rows = list[dict[str, object]]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer("tiny")


def config(dataset: Path | str, **changes: Any) -> RunConfig:
    data = DataConfig(**changes.pop("data", {}))
    return RunConfig(dataset=str(dataset), sequence_length=64, data=data, **changes)


def texts(data: PreparedData, tokenizer: Any, split: str = "train") -> list[str]:
    rows = getattr(data, split)
    return [tokenizer.decode(rows.document(place).tokens) for place in range(len(rows))]


def test_every_row_is_trained_on_or_held_out_once(
    write_rows: Write, pairs: Rows, tokenizer: Any
) -> None:
    data = prepare(config(write_rows(pairs), data={"eval_fraction": 0.2}), tokenizer)
    both = texts(data, tokenizer) + texts(data, tokenizer, "eval")
    assert sorted(both) == sorted(
        f"### Instruction:\n{row['instruction']}\n\n### Response:\n{row['output']}<|endoftext|>"
        for row in pairs
    )
    assert 3 <= len(data.eval) <= 14
    document = data.train.document(0)
    counted = tokenizer.decode(document.tokens[document.counted == 1])
    assert counted.startswith("It is number")
    assert counted.endswith("<|endoftext|>")
    assert data.train.counted_count == sum(
        int(data.train.document(place).counted.sum()) for place in range(len(data.train))
    )


def test_the_second_time_it_is_found_and_the_same(
    write_rows: Write, pairs: Rows, tokenizer: Any
) -> None:
    path = write_rows(pairs)
    heard: list[str] = []
    first = prepare(config(path), tokenizer, report=lambda name, *_: heard.append(name))
    assert (first.from_cache, set(heard)) == (False, {"checking data", "tokenizing"})
    heard.clear()
    second = prepare(config(path), tokenizer, report=lambda name, *_: heard.append(name))
    assert (second.from_cache, heard) == (True, [])
    assert texts(first, tokenizer) == texts(second, tokenizer)
    assert (first.facts, first.samples, first.prompt_format) == (
        second.facts,
        second.samples,
        second.prompt_format,
    )


CHANGES: list[dict[str, Any]] = [
    {"sequence_length": 63},
    {"skip_bad_rows": True},
    {"data": DataConfig(train_on_prompt=True)},
    {"data": DataConfig(prompt_format="alpaca")},
    {"data": DataConfig(eval_fraction=0.5)},
    {"data": DataConfig(truncate=True)},
]


@pytest.mark.parametrize("change", CHANGES)
def test_what_shapes_rows_makes_another_cache(
    write_rows: Write, pairs: Rows, tokenizer: Any, change: dict[str, Any]
) -> None:
    before = config(write_rows(pairs))
    kept = prepare(before, tokenizer)
    assert not prepare(msgspec.structs.replace(before, **change), tokenizer).from_cache
    assert prepare(msgspec.structs.replace(before, seed=9, name="x"), tokenizer).from_cache
    write_rows([*pairs[:-1], {"instruction": "New.", "output": "Row."}])
    fresh = prepare(before, tokenizer)
    assert not fresh.from_cache
    assert texts(fresh, tokenizer) != texts(kept, tokenizer)


def test_a_damaged_cache_is_built_again(write_rows: Write, pairs: Rows, tokenizer: Any) -> None:
    data = prepare(config(write_rows(pairs)), tokenizer)
    whole = texts(data, tokenizer)
    path = data.cache_folder / "tokens.bin"
    damaged = bytearray(path.read_bytes())
    damaged[5] ^= 4
    path.write_bytes(damaged)
    again = prepare(config(write_rows(pairs)), tokenizer)
    assert not again.from_cache
    assert texts(again, tokenizer) == whole


def test_samples_are_held_out_rows(write_rows: Write, pairs: Rows, tokenizer: Any) -> None:
    data = prepare(config(write_rows(pairs), data={"eval_fraction": 0.2}), tokenizer)
    held_out = texts(data, tokenizer, "eval")
    assert len(data.samples) == len(held_out)
    for sample in data.samples:
        assert f"{sample.wrapped}{sample.reference}<|endoftext|>" in held_out
        assert data.prompt_format.wrap(sample.prompt) == sample.wrapped
    none = prepare(config(write_rows(pairs), data={"eval_fraction": 0.0}), tokenizer)
    assert len(none.eval) == 0
    assert len(none.samples) == 16


def test_an_evaluation_dataset_holds_out_no_training_row(
    write_rows: Write, pairs: Rows, tokenizer: Any
) -> None:
    other = write_rows([{"prompt": "Who?", "completion": "Me."}], "eval.jsonl")
    data = prepare(config(write_rows(pairs), eval_dataset=str(other)), tokenizer)
    assert (len(data.train), len(data.eval)) == (40, 1)
    assert data.samples[0].prompt == "Who?"
    text = write_rows([{"text": "plain"}], "text.jsonl")
    with pytest.raises(DataError, match="its rows are text, those of the training data instr"):
        prepare(config(write_rows(pairs), eval_dataset=str(text)), tokenizer)


def test_broken_rows_stop_a_run_unless_they_may_be_left_out(
    write_rows: Write, pairs: Rows, tokenizer: Any
) -> None:
    path = write_rows([*pairs, {"instruction": "a"}, {"instruction": "", "output": "b"}])
    with pytest.raises(DataErrors, match=r":41: output: is missing"):
        prepare(config(path), tokenizer)
    data = prepare(config(path, skip_bad_rows=True), tokenizer)
    assert (data.facts.bad_rows, data.facts.empty_rows, data.facts.rows_read) == (1, 1, 42)
    assert len(data.train) + len(data.eval) == 40


def test_long_rows_are_dropped_cut_or_all_too_long(
    write_rows: Write, pairs: Rows, tokenizer: Any
) -> None:
    long = {"instruction": "Say much.", "output": "word " * 200}
    data = prepare(config(write_rows([*pairs, long])), tokenizer)
    assert data.facts.too_long == 1
    assert int(data.train.lengths.max()) <= 64
    cut = prepare(config(write_rows([*pairs, long]), data={"truncate": True}), tokenizer)
    assert len(cut.train) + len(cut.eval) == 41
    with pytest.raises(DataError) as raised:
        prepare(config(write_rows([long, long])), tokenizer)
    longest = data.facts.longest_row_tokens
    assert str(raised.value).endswith(
        f"all 2 rows are longer than sequence_length 64; the shortest has {longest} tokens, the "
        f"longest {longest}; set sequence_length to {longest}, or data.truncate to true"
    )


def test_plain_text_of_any_length_is_trained_on(tmp_path: Path, tokenizer: Any) -> None:
    path = tmp_path / "book.txt"
    path.write_text("\n\n".join(f"Paragraph {number} says much." for number in range(900)))
    data = prepare(config(path, data={"eval_fraction": 0.0}), tokenizer)
    assert data.facts.too_long == 0
    joined = "".join(texts(data, tokenizer))
    assert joined.split()[:3] == ["Paragraph", "0", "says"]
    assert joined.count("<|endoftext|>") == 1
    assert all(f"Paragraph {number} " in joined for number in range(900))


def test_empty_rows_only_are_said(write_rows: Write, tokenizer: Any) -> None:
    path = write_rows([{"instruction": "a", "output": ""}] * 3)
    with pytest.raises(DataError, match="no row is left to train on: all are empty"):
        prepare(config(path), tokenizer)


def test_a_format_that_does_not_go_is_said(write_rows: Write, pairs: Rows, tokenizer: Any) -> None:
    with pytest.raises(ConfigError, match="no chat template"):
        prepare(config(write_rows(pairs), data={"prompt_format": "chat"}), tokenizer)


def test_the_built_in_default_is_prepared_whole(tokenizer: Any) -> None:
    """What every machine trains on by default: numbers that must not move unnoticed."""
    data = prepare(RunConfig(sequence_length=512), tokenizer)
    assert (len(data.train), len(data.eval), data.facts.too_long) == (2174, 145, 1)
    assert (data.train.token_count, data.train.counted_count) == (391_623, 218_303)
    assert data.prompt_format.name == "alpaca-short"
    assert not np.isin(data.train.starts, data.eval.starts).any()
