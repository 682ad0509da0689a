"""Attention of many documents in one operation is each document's own attention."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from trainer_core.engine.kernels import cpu_attention


def heads(tokens, seed):
    torch.manual_seed(seed)
    return torch.randn(1, tokens, 3, 8).transpose(1, 2).requires_grad_()


@pytest.mark.parametrize("scale", [None, 0.7])
def test_output_and_gradients_equal_one_document_at_a_time(scale):
    lengths = (5, 1, 9)
    ours = [heads(15, seed) for seed in range(3)]
    theirs = [tensor.detach().clone().requires_grad_() for tensor in ours]
    output = cpu_attention.attend(*ours, lengths, scale)
    pieces = zip(*(tensor.split(lengths, dim=2) for tensor in theirs), strict=True)
    expected = torch.cat(
        [scaled_dot_product_attention(*piece, is_causal=True, scale=scale) for piece in pieces],
        dim=2,
    )
    assert torch.allclose(output, expected, atol=1e-6)
    direction = torch.randn(1, 3, 8, 15).transpose(2, 3)  # rows that are not in one piece
    output.backward(direction)
    expected.backward(direction)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one.grad, other.grad, atol=1e-5)


def test_what_it_cannot_do_is_left_to_others(monkeypatch):
    query = heads(4, 0)
    assert cpu_attention.available(query)
    assert not cpu_attention.available(query.expand(2, -1, -1, -1))
    monkeypatch.setattr(cpu_attention, "_FORWARD", "gone_in_a_later_torch")
    assert not cpu_attention.available(query)
