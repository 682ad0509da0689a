"""Context parallelism: the ranks of a group share one flat stream of tokens.

Each computes on a contiguous piece. Only attention looks further back: keys and values of the whole
stream are gathered for it, block by block, and their gradients go back to where they came from.

Source: gathered keys and values as in Llama Team 2024, https://arxiv.org/abs/2407.21783, 3.3.2

Legend: T tokens of the stream, P of this rank's piece, H heads, E head width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from trainer_core.engine.parallel.mesh import Mesh

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Which tokens of a stream are this rank's."""

    start: int
    stop: int
    size: int
    """Of the largest piece; the last ones may be shorter, or empty."""
    total: int
    group: ProcessGroup | None

    def cut(self, stream_BT: Tensor) -> Tensor:
        """Return this rank's tokens of a stream."""
        return stream_BT[:, self.start : self.stop]

    def together(self, piece_BHPE: Tensor) -> Tensor:
        """Return keys or values of the whole stream; the gradient is summed and cut again."""
        return cast(Callable[..., Tensor], _Together.apply)(piece_BHPE, self)

    def documents(self, lengths: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
        """Yield (first token, first of this rank's, end of this rank's) of documents it is in."""
        begin = 0
        for length in lengths:
            end = begin + length
            first, last = max(begin, self.start), min(end, self.stop)
            if first < last:
                yield begin, first, last
            begin = end


def piece_of(tokens: int, mesh: Mesh) -> Piece:
    """Return this rank's piece of a stream; every rank has at least one token of it.

    Args:
        tokens: Of the stream; at least as many as ranks that share it.
        mesh: Of this rank.
    """
    count, index = mesh.degrees.context, mesh.place.context
    start, stop = list(pairwise(_bounds(tokens, count)))[index]
    return Piece(
        start=start,
        stop=stop,
        size=-(-tokens // count),
        total=tokens,
        group=mesh.context,
    )


def attend(
    tensors_BHPE: tuple[Tensor, Tensor, Tensor],
    lengths: tuple[int, ...],
    piece: Piece,
    one_document: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> Tensor:
    """Return attention of this rank's queries to all tokens before them in their documents.

    Args:
        tensors_BHPE: Queries, keys and values of this rank's piece.
        lengths: Tokens of each document of the whole stream.
        piece: Where this rank's tokens lie in it.
        one_document: Causal attention of a document's last queries to its keys and values.
    """
    query = tensors_BHPE[0]
    key, value = (piece.together(tensor) for tensor in tensors_BHPE[1:])
    outputs = [
        one_document(
            query[:, :, first - piece.start : last - piece.start],
            key[:, :, begin:last],
            value[:, :, begin:last],
        )
        for begin, first, last in piece.documents(lengths)
    ]
    return torch.cat(outputs, dim=2)


class _Together(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own_BHPE: Tensor, piece: Piece) -> Tensor:
        ctx.piece = piece
        count = dist.get_world_size(piece.group)
        filled = _filled(own_BHPE, piece)
        pieces = [torch.empty_like(filled) for _ in range(count)]
        dist.all_gather(pieces, filled, group=piece.group)
        spans = pairwise(_bounds(piece.total, count))
        kept = [one[:, :, : stop - start] for one, (start, stop) in zip(pieces, spans, strict=True)]
        return torch.cat(kept, dim=2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BHTE: Tensor) -> tuple[Tensor, None]:
        piece: Piece = ctx.piece
        summed = grad_BHTE.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed, group=piece.group)
        return summed[:, :, piece.start : piece.stop].contiguous(), None


def _filled(own_BHPE: Tensor, piece: Piece) -> Tensor:
    missing = piece.size - own_BHPE.shape[2]
    return torch.nn.functional.pad(own_BHPE, (0, 0, 0, missing)).contiguous()


def _bounds(tokens: int, count: int) -> list[int]:
    """Return where each rank's piece begins, and the end of the last."""
    return [tokens * number // count for number in range(count + 1)]
