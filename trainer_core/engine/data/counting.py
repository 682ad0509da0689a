"""Tokens of a dataset's rows: counted, or estimated where there is much text.

A share of the rows is tokenised and scaled up. A very long row would spoil that: one of ten
million characters among short ones stands for none of them. Its tokens are estimated from its
beginning, and it is never scaled up with the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
import numpy.typing as npt

from trainer_core.engine.data.checked import CheckedRow
from trainer_core.engine.data.encoder import EncodedRow, TextEncoder
from trainer_core.engine.data.lengths import LengthPolicy
from trainer_core.engine.data.pack import plan_rows
from trainer_core.engine.data.render import Rendered
from trainer_core.engine.data.tokenise import (
    BATCH_ROWS,
    SPLIT_CODES,
    Documents,
    note_documents,
    split_documents,
)
from trainer_core.run.config.data_report import DataReport
from trainer_core.run.config.run_config import RunConfig

COUNTED_CHARACTERS = 4_000_000
"""Text that is tokenised for the counts: about two seconds of one core."""

LONG_CHARACTERS = 200_000
"""Of a longer row only the beginning is tokenised."""

_HISTOGRAM_START = 32


@dataclass(kw_only=True, slots=True)
class Counted:
    """What counting found."""

    documents: Documents = field(default_factory=Documents)
    long_documents: bytearray = field(default_factory=bytearray)
    """1 for each document of a long row."""
    row_lengths: list[int] = field(default_factory=list)
    row_counted: list[int] = field(default_factory=list)
    long_rows: bytearray = field(default_factory=bytearray)
    """1 for each long row."""
    text_bytes: int = 0
    """Of what was tokenised."""
    text_tokens: int = 0
    characters: int = 0
    long_lost: int = 0
    """Long rows that do not fit the sequence length."""

    @property
    def rows(self) -> int:
        """Rows that were counted or estimated."""
        return len(self.row_lengths)

    def weights(self, scale: float, share: float) -> npt.NDArray[np.float64]:
        """Return for how many documents of the whole dataset each one stands.

        Args:
            scale: Of documents of ordinary rows.
            share: Of those of long rows.
        """
        return _weights(self.long_documents, scale, share)

    def scale(self, rows: int, share: float) -> float:
        """Return for how many rows of the whole dataset each ordinary one stands.

        Args:
            rows: That were read, tokenised or not.
            share: Rows of the dataset for each one read.
        """
        long = sum(self.long_rows)
        return share * (rows - long) / max(self.rows - long, 1)


def count_tokens(rows: Iterable[CheckedRow], encoder: TextEncoder, policy: LengthPolicy) -> Counted:
    """Tokenise rows until enough text is counted; go through the others for long ones only."""
    counted = Counted()
    batch: list[CheckedRow] = []
    for row in rows:
        size = _characters(row.rendered)
        over = counted.characters >= COUNTED_CHARACTERS
        if size > LONG_CHARACTERS:
            # In the order of the rows: the first three are shown with their numbers.
            _count_batch(batch, encoder, policy, counted)
            batch = []
            _estimate(row, size, encoder, policy, counted)
        elif not over:
            batch.append(row)
            counted.characters += size
            if len(batch) == BATCH_ROWS or counted.characters >= COUNTED_CHARACTERS:
                _count_batch(batch, encoder, policy, counted)
                batch = []
    _count_batch(batch, encoder, policy, counted)
    return counted


def with_tokens(
    report: DataReport,
    config: RunConfig,
    counted: Counted,
    policy: LengthPolicy,
    *,
    rows: int,
    share: float,
) -> DataReport:
    """Add to a report what was counted in tokens.

    Args:
        report: On the rows.
        config: Of the run.
        counted: What was found, at least one row.
        policy: That it was found with.
        rows: That were read, tokenised or not.
        share: Rows of the dataset for each one read.
    """
    scale = counted.scale(rows, share)
    documents = counted.documents
    masks = split_documents(documents, config.data, separate=bool(config.eval_dataset))
    train, held_out = masks["train"], masks["eval"]
    lengths = np.frombuffer(documents.lengths, dtype=np.int64)
    in_loss = np.frombuffer(documents.counted, dtype=np.int64)
    weights = counted.weights(scale, share)
    row_lengths = np.asarray(counted.row_lengths)
    row_weights = _weights(counted.long_rows, scale, share)
    shown = tuple(
        msgspec.structs.replace(row, tokens=size, counted_tokens=part)
        for row, size, part in zip(
            report.rendered, counted.row_lengths, counted.row_counted, strict=False
        )
    )
    return msgspec.structs.replace(
        report,
        rendered=shown,
        train_rows=round(float(weights[train].sum())),
        eval_rows=min(round(float(weights[held_out].sum())), config.data.eval_rows_max),
        tokens=round(float((lengths * weights)[train].sum())),
        counted_tokens=round(float((in_loss * weights)[train].sum())),
        sequences=_sequences(lengths[train], counted, train, config, (policy, scale, share)),
        mean_tokens_per_row=float((row_lengths * row_weights).sum() / row_weights.sum()),
        longest_row_tokens=policy.longest,
        too_long=round((policy.too_long - counted.long_lost) * scale + counted.long_lost * share),
        length_histogram=_histogram(row_lengths, row_weights),
        bytes_per_token=counted.text_bytes / max(counted.text_tokens, 1),
    )


def _sequences(
    trained: npt.NDArray[np.int64],
    counted: Counted,
    train: npt.NDArray[np.bool_],
    config: RunConfig,
    measures: tuple[LengthPolicy, float, float],
) -> int:
    """Return the packed rows; documents of long rows fill theirs nearly whole."""
    policy, scale, share = measures
    long = np.frombuffer(counted.long_documents, dtype=np.uint8)[train] == 1
    packed = len(plan_rows(trained[~long], policy.sequence_length, packing=config.data.packing))
    full = int(trained[long].sum()) / policy.sequence_length
    return round(packed * scale + full * share)


def _count_batch(
    batch: list[CheckedRow], encoder: TextEncoder, policy: LengthPolicy, counted: Counted
) -> None:
    encoded: list[EncodedRow] = encoder.encode([row.rendered for row in batch])
    for row, ids in zip(batch, encoded, strict=True):
        counted.text_bytes += sum(len(piece.text.encode()) for piece in row.rendered.pieces)
        counted.text_tokens += len(ids.tokens)
        _note(row, ids, policy, counted, long=False)


def _estimate(
    row: CheckedRow, size: int, encoder: TextEncoder, policy: LengthPolicy, counted: Counted
) -> None:
    """Note a long row as if it went on as it begins."""
    (beginning,) = encoder.encode([_beginning(row.rendered)])
    counted.characters += LONG_CHARACTERS
    tokens = round(len(beginning.tokens) * size / LONG_CHARACTERS)
    in_loss = sum(len(piece.text) for piece in row.rendered.pieces if piece.counted)
    mask = np.zeros(tokens, dtype=np.uint8)
    mask[tokens - round(tokens * in_loss / size) :] = 1
    ids = EncodedRow(tokens=np.zeros(tokens, dtype=beginning.tokens.dtype), counted=mask)
    before = policy.too_long
    _note(row, ids, policy, counted, long=True)
    counted.long_lost += policy.too_long - before


def _note(
    row: CheckedRow, ids: EncodedRow, policy: LengthPolicy, counted: Counted, *, long: bool
) -> None:
    counted.row_lengths.append(len(ids.tokens))
    counted.row_counted.append(int(ids.counted[1:].sum()))
    counted.long_rows.append(long)
    split = SPLIT_CODES[row.record.split]
    for _ in note_documents(row, ids, policy, split, counted.documents):
        counted.long_documents.append(long)


def _characters(rendered: Rendered) -> int:
    return sum(len(piece.text) for piece in rendered.pieces)


def _beginning(rendered: Rendered) -> Rendered:
    pieces, left = [], LONG_CHARACTERS
    for piece in rendered.pieces:
        pieces.append(replace(piece, text=piece.text[:left]))
        left -= len(pieces[-1].text)
    return replace(rendered, pieces=tuple(pieces))


def _weights(long: bytearray, scale: float, share: float) -> npt.NDArray[np.float64]:
    return np.where(np.frombuffer(long, dtype=np.uint8) == 1, share, scale)


def _histogram(
    lengths: npt.NDArray[np.int64], weights: npt.NDArray[np.float64]
) -> tuple[tuple[int, int], ...]:
    """Return (upper bound in tokens, rows), bounds doubling up to the longest row."""
    bounds, bound = [], _HISTOGRAM_START
    while True:
        bounds.append(bound)
        if bound >= lengths.max():
            break
        bound *= 2
    places = np.searchsorted(np.asarray(bounds), lengths)
    rows = np.bincount(places, weights=weights, minlength=len(bounds))
    return tuple((bound, round(float(count))) for bound, count in zip(bounds, rows, strict=True))
