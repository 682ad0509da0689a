"""Rows to flat files: every number that is noted is that of the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainer_core.engine.data import tokenise
from trainer_core.engine.data.checked import CheckedRow
from trainer_core.engine.data.encoder import TextEncoder
from trainer_core.engine.data.lengths import LengthPolicy
from trainer_core.engine.data.record import Record
from trainer_core.engine.data.render import Piece, Rendered
from trainer_core.engine.data.source import Split
from trainer_core.engine.data.tokenise import (
    COUNTED_FILE,
    SAMPLES_KEPT,
    TOKENS_FILE,
    Documents,
    split_documents,
    token_type,
    write_tokens,
)
from trainer_core.run.config.run_config import DataConfig


def row(number: int, split: Split | None = None, answer: str = "def f(): pass") -> CheckedRow:
    return CheckedRow(
        record=Record(file="f", row=number, line=number, value={}, split=split),
        rendered=Rendered(
            pieces=(
                Piece(text=f"ask {number}\n", counted=False),
                Piece(text=answer, counted=True, end=True),
            ),
            special=False,
            prompt=f"ask {number}",
            before=f"ask {number}\n",
            answer=answer,
        ),
        row_hash=number * 10**17,
    )


def policy(length: int = 64) -> LengthPolicy:
    return LengthPolicy(sequence_length=length, split_text=False, truncate=False)


def test_the_files_hold_what_the_numbers_say(tmp_path: Path, encoder: TextEncoder) -> None:
    documents = Documents()
    done: list[int] = []
    rows = [row(number, answer="größer" * number) for number in range(1, 5)]
    write_tokens(rows, encoder, policy(), tmp_path, documents=documents, on_rows=done.append)
    tokens = np.fromfile(tmp_path / TOKENS_FILE, dtype=np.uint16)
    counted = np.fromfile(tmp_path / COUNTED_FILE, dtype=np.uint8)
    assert len(tokens) == len(counted) == sum(documents.lengths)
    for place, start in enumerate(documents.starts().tolist()):
        stretch = slice(start, start + documents.lengths[place])
        text = encoder.backend.decode(tokens[stretch].tolist(), skip_special_tokens=False)
        assert text == f"ask {place + 1}\n{'größer' * (place + 1)}{encoder.end_token}"
        assert counted[stretch].sum() == documents.counted[place]
        assert documents.counted_bytes[place] == len(("größer" * (place + 1)).encode())
    assert done == [4]


def test_batches_encoded_ahead_keep_their_order(
    tmp_path: Path, encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    for size in (512, 2):
        monkeypatch.setattr(tokenise, "BATCH_ROWS", size)
        folder, done = tmp_path / str(size), list[int]()
        folder.mkdir()
        rows = [row(number) for number in range(5)]
        write_tokens(rows, encoder, policy(), folder, documents=Documents(), on_rows=done.append)
        files.append((folder / TOKENS_FILE).read_bytes())
        assert done == [*range(size, 5, size), 5]
    assert files[0] == files[1] != b""


def test_the_file_of_a_small_vocabulary_is_half_as_large() -> None:
    assert token_type(2048).itemsize == token_type(2**16).itemsize == 2
    assert token_type(2**16 + 1).itemsize == 4


def test_long_rows_stand_in_no_file(tmp_path: Path, encoder: TextEncoder) -> None:
    documents, lengths = Documents(), policy(12)
    rows = [row(1), row(2, answer="x = 1\n" * 50), row(3)]
    write_tokens(rows, encoder, lengths, tmp_path, documents=documents)
    assert len(documents.lengths) == 2
    assert lengths.too_long == 1
    assert [sample.prompt for _, _, sample in documents.samples] == ["ask 1", "ask 3"]


def test_samples_are_those_of_the_smallest_hashes(tmp_path: Path, encoder: TextEncoder) -> None:
    documents = Documents()
    rows = [row(number) for number in range(40, 0, -1)]
    write_tokens(rows, encoder, policy(), tmp_path, documents=documents)
    prompts = [sample.prompt for _, _, sample in documents.samples]
    assert prompts == [f"ask {number}" for number in range(1, SAMPLES_KEPT + 1)]


def test_splits_of_the_source_are_kept_and_limited(tmp_path: Path, encoder: TextEncoder) -> None:
    documents = Documents()
    rows = [row(number, "train") for number in range(1, 21)]
    rows += [row(number, "eval") for number in range(30, 40)]
    write_tokens(rows, encoder, policy(), tmp_path, documents=documents)
    chosen = split_documents(documents, DataConfig(eval_rows_max=3), separate=False)
    assert np.flatnonzero(chosen["train"]).tolist() == list(range(20))
    assert np.flatnonzero(chosen["eval"]).tolist() == [20, 21, 22]


def test_rows_are_held_out_unless_there_is_another_dataset(
    tmp_path: Path, encoder: TextEncoder
) -> None:
    documents = Documents()
    write_tokens(
        [row(number) for number in range(1, 101)], encoder, policy(), tmp_path, documents=documents
    )
    data = DataConfig(eval_fraction=0.02)
    chosen = split_documents(documents, data, separate=False)
    assert np.flatnonzero(chosen["eval"]).tolist() == [0, 1, 2]
    assert not (chosen["eval"] & chosen["train"]).any()
    assert split_documents(documents, data, separate=True)["train"].all()


def test_a_forced_split_wins(tmp_path: Path, encoder: TextEncoder) -> None:
    documents = Documents()
    write_tokens(
        [row(1, "train")], encoder, policy(), tmp_path, documents=documents, forced_split="eval"
    )
    assert list(documents.splits) == [2]
