"""Pieces of a stream attend to what they would in the whole stream."""

from __future__ import annotations

import pytest
import torch

from trainer_core.engine import attention
from trainer_core.engine.parallel import context
from trainer_core.engine.parallel.mesh import Mesh, place_of
from trainer_core.plan.degrees import Degrees

LENGTHS = (3, 1, 9, 5)
THREE = Degrees(context=3)


def pieces(tokens: int) -> list[context.Piece]:
    return [
        context.piece_of(tokens, Mesh(degrees=THREE, place=place_of(rank, THREE)))
        for rank in range(3)
    ]


def test_pieces_cover_the_stream_once():
    found = pieces(19)
    assert [(piece.start, piece.stop) for piece in found] == [(0, 6), (6, 12), (12, 19)]
    assert {piece.size for piece in found} == {7}
    assert list(found[1].documents(LENGTHS)) == [(4, 6, 12)]
    assert list(found[2].documents(LENGTHS)) == [(4, 12, 13), (13, 13, 18)]


@pytest.mark.parametrize("window", [None, 4])
def test_a_piece_sees_what_the_whole_stream_sees(window, monkeypatch):
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 2, sum(LENGTHS), 8) for _ in range(3))
    settings = {"scaling": None, "dropout": 0.0, "sliding_window": window}
    module = torch.nn.Module()
    whole, _ = attention.document_attention(
        module, query, key, value, None, document_lengths=LENGTHS, **settings
    )
    outputs = []
    for piece in pieces(sum(LENGTHS)):
        own = [tensor[:, :, piece.start : piece.stop] for tensor in (query, key, value)]
        full = iter((key, value))
        monkeypatch.setattr(context.Piece, "together", lambda self, tensor: next(full))  # noqa: B023
        output, _ = attention.document_attention(
            module, *own, None, document_lengths=LENGTHS, context_piece=piece, **settings
        )
        outputs.append(output)
    assert torch.allclose(torch.cat(outputs, dim=1), whole, atol=1e-6)


def test_what_is_gathered_gives_its_gradient_back(monkeypatch):
    piece = pieces(5)[1]  # tokens 1 and 2
    monkeypatch.setattr(context.dist, "get_world_size", lambda group: 3)

    def gather(into, own, group):
        for place in into:
            place.copy_(own)

    monkeypatch.setattr(context.dist, "all_gather", gather)
    monkeypatch.setattr(context.dist, "all_reduce", lambda tensor, group: tensor.mul_(3))
    own = torch.ones(1, 1, piece.stop - piece.start, 2, requires_grad=True)
    together = piece.together(own)
    assert together.shape == (1, 1, 5, 2)
    torch.sum(together * torch.arange(5.0)[:, None]).backward()
    assert own.grad[0, 0, :, 0].tolist() == [3 * n for n in range(piece.start, piece.stop)]
