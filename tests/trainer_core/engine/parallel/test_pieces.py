"""Pieces come together to the tensor they were cut from."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from torch import nn

from trainer_core.engine.gather import own_rows, put_whole, stored_weights, whole, whole_shape
from trainer_core.engine.parallel.pieces import (
    ELSEWHERE,
    Split,
    cut_parameter,
    marked,
    split_of,
    splits_in,
)


def splits(dim: int, sections: int = 1) -> list[Split]:
    return [Split(dim=dim, index=i, count=2, group=None, sections=sections) for i in range(2)]


@pytest.mark.parametrize(("dim", "sections"), [(0, 1), (1, 1), (1, 3)])
def test_what_was_cut_comes_together_again(dim, sections, monkeypatch):
    full = torch.arange(4 * 12.0).view(4, 12)
    one, other = splits(dim, sections)
    pieces = [one.cut(full), other.cut(full)]

    def gather(into, piece, group):
        for place, found in zip(into, pieces, strict=True):
            place.copy_(found)

    monkeypatch.setattr(dist, "all_gather", gather)
    piece = marked(pieces[1], other)
    assert torch.equal(whole(piece), full)
    assert whole_shape(piece) == full.shape
    put_whole(piece.zero_(), full)
    assert torch.equal(piece, other.cut(full))
    assert own_rows(piece) == slice(0, len(piece))


def test_sections_are_cut_each_by_itself():
    full = torch.arange(12.0)  # queries 0-3, keys 4-7, values 8-11
    assert splits(0, sections=3)[1].cut(full).tolist() == [2, 3, 6, 7, 10, 11]


def test_a_module_knows_its_pieces_by_name():
    model = nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 2))
    cut_parameter(model[0], "weight", splits(0)[0])
    cut_parameter(model[0], "bias", splits(0)[0])
    assert set(splits_in(model)) == {"0.weight", "0.bias"}
    assert model[0].weight.shape == (2, 2)
    kept = dict(stored_weights(model))
    assert split_of(kept["0.weight"]) is not None
    assert split_of(kept["1.weight"]) is None
    setattr(model[1], ELSEWHERE, True)
    assert set(dict(stored_weights(model))) == {"0.weight", "0.bias"}
