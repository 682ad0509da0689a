"""Write all rows of a source as token ids, once, into flat files."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from trainer_core.engine.data.checked import CheckedRow
from trainer_core.engine.data.encoder import EncodedRow, TextEncoder
from trainer_core.engine.data.held_out import choose_held_out, smallest
from trainer_core.engine.data.lengths import LengthPolicy
from trainer_core.engine.data.source import Split
from trainer_core.run.config.run_config import DataConfig

BATCH_ROWS = 512
"""Rows encoded at once: enough to keep every core of the Rust tokenizer busy."""

SAMPLES_KEPT = 16
_PROMPT_CHARACTERS = 4000
"""A sample's prompt and answer are for reading; longer ones are no samples."""

TOKENS_FILE = "tokens.bin"
COUNTED_FILE = "counted.bin"

SPLIT_CODES: dict[Split | None, int] = {None: 0, "train": 1, "eval": 2}
"""How `Documents.splits` says the split of a row."""

T = TypeVar("T")


class SampleRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row to ask the model before and after training."""

    prompt: str
    """What a user would type."""
    wrapped: str
    """The text the model is given."""
    reference: str | None = None
    """The dataset's own answer."""


@dataclass(kw_only=True, slots=True)
class Documents:
    """Every document written, in order; one entry an array item."""

    lengths: array[int] = field(default_factory=lambda: array("q"))
    counted: array[int] = field(default_factory=lambda: array("q"))
    counted_bytes: array[int] = field(default_factory=lambda: array("q"))
    row_hashes: array[int] = field(default_factory=lambda: array("Q"))
    splits: bytearray = field(default_factory=bytearray)
    """0 no split of its own, 1 train, 2 eval."""
    samples: list[tuple[int, int, SampleRow]] = field(default_factory=list)
    """(row hash, split, sample), by hash; enough of each split."""

    def starts(self) -> npt.NDArray[np.int64]:
        """Return the position of each document in the token file."""
        lengths = np.frombuffer(self.lengths, dtype=np.int64)
        return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])[:-1]


def token_type(vocabulary: int) -> np.dtype[np.uint16] | np.dtype[np.uint32]:
    """Return the smallest type that holds every id."""
    return np.dtype(np.uint16) if vocabulary <= 2**16 else np.dtype(np.uint32)


def write_tokens(
    rows: Iterable[CheckedRow],
    encoder: TextEncoder,
    policy: LengthPolicy,
    folder: Path,
    *,
    documents: Documents,
    forced_split: Split | None = None,
    on_rows: Callable[[int], None] = lambda _: None,
) -> None:
    """Append the rows to the files of a folder.

    Args:
        rows: Checked rows in the order of the source.
        encoder: The model's tokenizer.
        policy: What happens to long rows.
        folder: Where `tokens.bin` and `counted.bin` grow.
        documents: Takes the numbers of each document; may hold those of an earlier source.
        forced_split: Split of every row, whatever the source says.
        on_rows: Told how many rows are done, now and then.
    """
    kind = token_type(encoder.vocabulary)
    done = 0
    with (folder / TOKENS_FILE).open("ab") as tokens, (folder / COUNTED_FILE).open("ab") as counted:
        for batch, encoded in _encoded_ahead(_batches(rows, BATCH_ROWS), encoder):
            for row, ids in zip(batch, encoded, strict=True):
                split = SPLIT_CODES[forced_split or row.record.split]
                for document in note_documents(row, ids, policy, split, documents):
                    tokens.write(document.tokens.astype(kind).tobytes())
                    counted.write(document.counted.tobytes())
            done += len(batch)
            on_rows(done)


def _encoded_ahead(
    batches: Iterable[list[CheckedRow]], encoder: TextEncoder
) -> Iterator[tuple[list[CheckedRow], list[EncodedRow]]]:
    """Yield each batch with its ids, while the next is read and the one after it encoded.

    The tokenizer takes all permitted cores and leaves Python's lock to whoever reads rows.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="tokenizer") as ahead:
        before: tuple[list[CheckedRow], Future[list[EncodedRow]]] | None = None
        for batch in batches:
            following = batch, ahead.submit(encoder.encode, [row.rendered for row in batch])
            if before is not None:
                yield before[0], before[1].result()
            before = following
        if before is not None:
            yield before[0], before[1].result()


def note_documents(
    row: CheckedRow, ids: EncodedRow, policy: LengthPolicy, split: int, found: Documents
) -> Iterator[EncodedRow]:
    """Yield the documents of one row, each after its numbers are noted.

    Args:
        row: The row.
        ids: Its tokens.
        policy: What happens if it is long.
        split: 0 none of its own, 1 train, 2 eval.
        found: Where the numbers go.
    """
    text_bytes = sum(len(piece.text.encode()) for piece in row.rendered.pieces if piece.counted)
    row_counted = max(int(np.count_nonzero(ids.counted)), 1)
    kept = False
    for document in policy.documents(ids):
        counted = int(np.count_nonzero(document.counted))
        found.lengths.append(len(document.tokens))
        found.counted.append(counted)
        # A part of a row counts that part of its bytes: exact for whole rows, the usual case.
        found.counted_bytes.append(round(text_bytes * counted / row_counted))
        found.row_hashes.append(row.row_hash)
        found.splits.append(split)
        kept = True
        yield document
    if kept:
        _keep_sample(row, split, found)


def _keep_sample(row: CheckedRow, split: int, found: Documents) -> None:
    rendered = row.rendered
    if not rendered.prompt.strip() or len(rendered.before) > _PROMPT_CHARACTERS:
        return
    kept = [entry for entry in found.samples if entry[1] == split]
    if len(kept) >= SAMPLES_KEPT:
        if row.row_hash >= kept[-1][0]:
            return
        found.samples.remove(kept[-1])
    sample = SampleRow(
        prompt=rendered.prompt,
        wrapped=rendered.before,
        reference=rendered.answer[:_PROMPT_CHARACTERS] or None,
    )
    found.samples.append((row.row_hash, split, sample))
    found.samples.sort(key=lambda entry: entry[0])


def split_documents(
    documents: Documents, data: DataConfig, *, separate: bool
) -> dict[str, npt.NDArray[np.bool_]]:
    """Return which documents are trained on (`train`) and which are held out (`eval`).

    Args:
        documents: All that were written.
        data: `eval_fraction` and `eval_rows_max`.
        separate: Whether another dataset is there to evaluate on, so that no row of a dataset
            without its own split is held out.
    """
    splits = np.frombuffer(documents.splits, dtype=np.uint8)
    hashes = np.frombuffer(documents.row_hashes, dtype=np.uint64)
    own = splits == SPLIT_CODES["eval"]
    held_out = np.zeros(len(splits), dtype=np.bool_)
    if own.any():
        held_out[own] = smallest(hashes[own], data.eval_rows_max)
        return {"train": ~own, "eval": held_out}
    if not separate:
        rows = np.unique(hashes)
        chosen = rows[choose_held_out(rows, data.eval_fraction, data.eval_rows_max)]
        held_out = np.isin(hashes, chosen)
    return {"train": ~held_out, "eval": held_out}


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
