"""Two ranks' halves of a block add up to the block."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist

from trainer_core.engine.model import blocks_of
from trainer_core.engine.parallel import tensor
from trainer_core.engine.parallel.mesh import Mesh, place_of
from trainer_core.errors import ConfigError
from trainer_core.plan.degrees import Degrees

TWO = Degrees(tensor=2)
MESHES = [Mesh(degrees=TWO, place=place_of(rank, TWO), tensor="group") for rank in range(2)]


def test_columns_stand_side_by_side_and_rows_add_up(monkeypatch):
    monkeypatch.setattr(dist, "all_reduce", lambda tensor, group: None)  # added up here
    whole = torch.nn.Linear(6, 8)
    below = torch.nn.Linear(8, 6)
    given = torch.randn(5, 6)
    total = torch.zeros(5, 6)
    for mesh in MESHES:
        owner = torch.nn.Module()
        owner.up, owner.down = whole, below
        cutter = tensor._Cutter(mesh)
        cutter._columns(owner, "up")
        cutter._rows(owner, "down")
        assert owner.up(given).shape == (5, 4)
        total += owner.down(owner.up(given)) - below.bias
    assert torch.allclose(total + below.bias, below(whole(given)), atol=1e-6)


def matrices(model) -> int:
    """Return the weights in the blocks' products."""
    blocks = blocks_of(model)
    return sum(p.numel() for block in blocks for p in block.parameters() if p.dim() > 1)


@pytest.mark.parametrize("kind", ["gpt2", "Llama", "Qwen2"])
def test_a_rank_keeps_half_of_every_block(kind, make_model):
    model = make_model(kind)
    before = matrices(model)
    tensor.split_tensors(model, blocks_of(model), MESHES[1])
    assert matrices(model) == before / 2


def test_gradients_are_summed_where_the_forward_pass_is_the_same(monkeypatch):
    monkeypatch.setattr(dist, "all_reduce", lambda tensor, group: tensor.mul_(2))
    given = torch.ones(3, requires_grad=True)
    tensor.same_forward(given, None).sum().backward()
    assert given.grad.tolist() == [2, 2, 2]
    given.grad = None
    summed = tensor.summed_forward(given, None)
    assert summed.tolist() == [2, 2, 2]
    summed.sum().backward()
    assert given.grad.tolist() == [1, 1, 1]


def test_an_unknown_architecture_is_refused(make_model):
    model = make_model("Qwen3")
    with pytest.raises(ConfigError, match="qwen3 cannot be cut"):
        tensor.split_tensors(model, blocks_of(model), MESHES[0])
    tensor.split_tensors(model, blocks_of(model), Mesh())  # one rank cuts nothing
