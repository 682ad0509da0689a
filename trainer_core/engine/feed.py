"""Micro-batches of each optimizer step: this rank's share, made one step ahead."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainer_core.engine.data.batch import Batch, collate
from trainer_core.engine.data.sample import EpochOrder
from trainer_core.engine.data.token_rows import TokenRows
from trainer_core.engine.metrics import StepWork

SHORT_PADDING = 8
"""Tokens of a micro-batch that only keeps ranks in step where rows do not share out evenly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MicroBatch:
    """Tensors of one forward pass, as `Objective` takes them."""

    batch: Batch
    cumulative_lengths: Tensor | None = None
    longest: int | None = None

    def arguments(self) -> dict[str, object]:
        """Return keyword arguments for `Objective`."""
        return {
            "input_ids": self.batch.input_ids,
            "labels": self.batch.labels,
            "position_ids": self.batch.position_ids,
            "document_lengths": self.batch.document_lengths,
            "cumulative_lengths": self.cumulative_lengths,
            "longest": self.longest,
        }


class RowFeed:
    """Turns numbers of packed rows into this rank's micro-batches."""

    def __init__(
        self,
        documents: TokenRows,
        rows: Sequence[tuple[int, ...]],
        *,
        sequence_length: int,
        micro_batch_size: int,
        device: torch.device,
        rank: int = 0,
        world_size: int = 1,
        fixed_shapes: bool = False,
    ) -> None:
        """Keep the plan.

        Args:
            documents: Where the rows' document numbers point.
            rows: Packed rows.
            sequence_length: Tokens of one row.
            micro_batch_size: Rows of one forward pass on this rank.
            device: Where tensors go.
            rank: This rank.
            world_size: Ranks that share the rows of a step.
            fixed_shapes: Pad rows and cumulative lengths, so that nothing is compiled twice and
                the card's variable-length kernel can be used.
        """
        self.documents = documents
        self.rows = rows
        self._sequence_length = sequence_length
        self._micro_batch_size = micro_batch_size
        self._device = device
        self._rank, self._world_size = rank, world_size
        self._fixed = fixed_shapes
        self._places = document_places([len(row) for row in rows], micro_batch_size)

    @property
    def micro_batch_size(self) -> int:
        """Rows of one forward pass."""
        return self._micro_batch_size

    def in_micro_batches(self, size: int) -> RowFeed:
        """Return a feed of the same rows that makes micro-batches of another size."""
        changed = copy.copy(self)
        changed._micro_batch_size = size
        changed._places = document_places([len(row) for row in self.rows], size)
        return changed

    def share(self, picked: Sequence[int]) -> Iterator[MicroBatch]:
        """Yield this rank's micro-batches of some rows; every rank yields equally many."""
        mine = list(picked[self._rank :: self._world_size])
        most = -(-len(picked) // self._world_size)
        size = min(self._micro_batch_size, most) if not self._fixed else self._micro_batch_size
        for start in range(0, most, size):
            yield self._micro_batch([self.rows[row] for row in mine[start : start + size]])

    def work_of(self, picked: Sequence[int]) -> StepWork:
        """Return what training on some rows amounts to, over all ranks."""
        numbers = np.fromiter(
            (document for row in picked for document in self.rows[row]), dtype=np.int64
        )
        lengths = self.documents.lengths[numbers]
        tokens = int(lengths.sum())
        padded = len(picked) * self._sequence_length if self._fixed else tokens
        return StepWork(
            tokens=tokens,
            padded_tokens=padded,
            counted_tokens=int(self.documents.counted_lengths[numbers].sum()),
            squared_lengths=int((lengths**2).sum()),
        )

    def heaviest(self) -> MicroBatch:
        """Return the micro-batch that takes most memory: that of the longest rows."""
        numbers = np.fromiter((d for row in self.rows for d in row), dtype=np.int64)
        starts = np.cumsum([0, *(len(row) for row in self.rows[:-1])])
        tokens = np.add.reduceat(self.documents.lengths[numbers], starts)
        longest = np.argsort(-tokens, kind="stable")[: self._micro_batch_size]
        return self._micro_batch([self.rows[row] for row in longest])

    def _micro_batch(self, rows: list[tuple[int, ...]]) -> MicroBatch:
        if not self._fixed:
            if not rows:
                empty = collate(self.documents, [()], pad_to=SHORT_PADDING)
                return MicroBatch(batch=empty.to(self._device))
            return MicroBatch(batch=collate(self.documents, rows).to(self._device))
        filled = rows + [()] * (self._micro_batch_size - len(rows))
        batch = collate(self.documents, filled, pad_to=self._sequence_length)
        # Documents of no tokens at the end: the kernel skips them and the shape stays.
        places = self._places
        while places < len(batch.cumulative_lengths):
            places *= 2
        missing = places - len(batch.cumulative_lengths)
        end = batch.cumulative_lengths[-1:]
        cumulative = torch.cat([batch.cumulative_lengths, end.expand(missing)])
        pinned = self._device.type == "cuda"
        if pinned:
            cumulative = cumulative.pin_memory()
        return MicroBatch(
            batch=(_pinned(batch) if pinned else batch).to(self._device, non_blocking=True),
            cumulative_lengths=cumulative.to(self._device, non_blocking=True),
            longest=self._sequence_length,
        )


def document_places(documents: Sequence[int], rows: int) -> int:
    """Return the cumulative lengths that nearly every micro-batch of some rows has room for.

    The card's kernel starts work for each document that could be there, so the most crowded
    micro-batch there might be is no measure: it cost a tenth of a step (111M, H100, November 2026).

    Args:
        documents: Of each packed row; a padded row ends in one more, its padding.
        rows: Of a micro-batch.
    """
    counts = np.array(documents or [0]) + 1
    usual = rows * counts.mean() + 5 * rows**0.5 * counts.std()
    most = rows * int(counts.max())
    return min(most, -(-int(usual + 1) // 16) * 16) + 1


@dataclass(frozen=True, kw_only=True, slots=True)
class StepBatches:
    """Everything one optimizer step trains on, on this rank."""

    micro_batches: tuple[MicroBatch, ...]
    work: StepWork
    """Over all ranks."""


class StepFeed:
    """Micro-batches step after step, the next one made while the device works."""

    def __init__(self, feed: RowFeed, *, seed: int, global_batch_size: int) -> None:
        self.feed = feed
        self._order = EpochOrder(len(feed.rows), seed)
        self._seed, self._global_batch_size = seed, global_batch_size
        self._maker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
        self._next: tuple[int, Future[StepBatches]] | None = None

    def in_micro_batches(self, size: int) -> StepFeed:
        """Return a feed of the same steps in micro-batches of another size; this one is over."""
        self.close()
        return StepFeed(
            self.feed.in_micro_batches(size),
            seed=self._seed,
            global_batch_size=self._global_batch_size,
        )

    def take(self, step: int, *, last: bool = False) -> tuple[StepBatches, float]:
        """Return the batches of a step (from 1) and the seconds waited for them.

        Args:
            step: Optimizer step; steps need not be asked for in order.
            last: Whether no step follows, so that none is made ahead.
        """
        began = time.perf_counter()
        if self._next is not None and self._next[0] == step:
            batches = self._next[1].result()
        else:
            batches = self._make(step)
        waited = time.perf_counter() - began
        self._next = None if last else (step + 1, self._maker.submit(self._make, step + 1))
        return batches, waited

    def epoch_after(self, step: int) -> float:
        """Return the passes over the rows that `step` steps make."""
        return self._order.epoch_of(step, self._global_batch_size)

    def close(self) -> None:
        """End the thread."""
        self._maker.shutdown(wait=True, cancel_futures=True)

    def _make(self, step: int) -> StepBatches:
        picked = self._order.step_rows(step - 1, self._global_batch_size)
        return StepBatches(
            micro_batches=tuple(self.feed.share(picked)), work=self.feed.work_of(picked)
        )


def _pinned(batch: Batch) -> Batch:
    return Batch(
        input_ids=batch.input_ids.pin_memory(),
        labels=batch.labels.pin_memory(),
        position_ids=batch.position_ids.pin_memory(),
        cumulative_lengths=batch.cumulative_lengths,
        document_lengths=batch.document_lengths,
        counted_tokens=batch.counted_tokens,
        counted_bytes=batch.counted_bytes,
        tokens=batch.tokens,
        padded_tokens=batch.padded_tokens,
    )
