"""Whole tensors out of the rows that each rank copied, beside the training.

Ranks that share a model's rows copy their own and train on. Their writer threads then hand the
rows to the rank that writes the tensor, in host memory and in a process group of their own, so
that these collectives never meet the training's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from trainer_core.engine.distributed import World
from trainer_core.engine.gather import rows_of

BUCKET_BYTES = 64 << 20
"""Of whole tensors in one exchange; what it takes beside the copies is about that much."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """This rank's rows of one tensor."""

    name: str
    shape: torch.Size
    """Of the whole tensor."""
    owner: int
    """Rank that gets it whole."""
    own: Tensor
    """In host memory, or on a card where the run waits for the writing."""

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        columns: int = math.prod(self.shape[1:])
        return columns * int(self.own.element_size())

    def bytes_of(self, rank: int, ranks: int) -> int:
        """Return the bytes a rank holds of the tensor."""
        rows = rows_of(rank, ranks, self.shape[0])
        return int(rows.stop - rows.start) * self.row_bytes


class RowExchange:
    """Hands rows over; every rank makes one at the same place of its training."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._group = dist.new_group(backend="gloo")

    def whole(self, rows: Sequence[Rows]) -> dict[str, Tensor]:
        """Return the whole tensors this rank owns; every rank calls it with the same names."""
        tensors: dict[str, Tensor] = {}
        for bucket in _buckets(rows):
            tensors |= self._bucket(bucket)
        return tensors

    def close(self) -> None:
        """Dissolve the group while the process is whole; every rank calls it, after its last save.

        Left to the end of the process its threads abort it: a run that finished would be dead.
        """
        dist.destroy_process_group(self._group)

    def _bucket(self, bucket: Sequence[Rows]) -> dict[str, Tensor]:
        ranks = range(self._world.size)
        by_owner = [[rows for rows in bucket if rows.owner == rank] for rank in ranks]
        mine = by_owner[self._world.rank]
        sent = [_octets(rows.own) for theirs in by_owner for rows in theirs]
        sent_bytes = [sum(_octets(rows.own).numel() for rows in theirs) for theirs in by_owner]
        got_bytes = [sum(rows.bytes_of(rank, len(ranks)) for rows in mine) for rank in ranks]
        got = torch.empty(sum(got_bytes), dtype=torch.uint8)
        dist.all_to_all_single(got, torch.cat(sent), got_bytes, sent_bytes, group=self._group)
        pieces = [
            iter(torch.split(part, [rows.bytes_of(rank, len(ranks)) for rows in mine]))
            for rank, part in zip(ranks, torch.split(got, got_bytes), strict=True)
        ]
        return {
            rows.name: torch.cat([next(part) for part in pieces])
            .view(rows.own.dtype)
            .view(rows.shape)
            for rows in mine
        }


def _buckets(rows: Sequence[Rows]) -> Iterator[list[Rows]]:
    bucket: list[Rows] = []
    size = 0
    for one in rows:
        if bucket and size >= BUCKET_BYTES:
            yield bucket
            bucket, size = [], 0
        bucket.append(one)
        size += one.shape.numel() * one.own.element_size()
    if bucket:
        yield bucket


def _octets(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
