"""The chunked loss is the plain loss, and its logits are never all there."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from trainer_core.engine import loss as loss_module
from trainer_core.engine.loss import IGNORE_INDEX, plain_loss_sum, token_loss_sum


def example(dtype=torch.float32, tokens=37):
    torch.manual_seed(0)
    hidden = (torch.randn(tokens, 16) * 2).to(dtype).requires_grad_()
    weight = torch.randn(50, 16).to(dtype).requires_grad_()
    labels = torch.randint(0, 50, (tokens,))
    labels[::4] = IGNORE_INDEX
    return hidden, weight, labels


@pytest.mark.parametrize("chunk", [1, 8, 37, 64, None])
def test_value_and_gradients_equal_the_plain_loss(chunk):
    hidden, weight, labels = example()
    plain = cross_entropy(hidden @ weight.t(), labels, ignore_index=IGNORE_INDEX, reduction="sum")
    (plain * 0.25).backward()
    expected = hidden.grad.clone(), weight.grad.clone()
    hidden.grad = weight.grad = None
    chunked = token_loss_sum(hidden, weight, labels, chunk=chunk)
    (chunked * 0.25).backward()
    assert float(chunked) == pytest.approx(float(plain), rel=1e-6)
    assert torch.allclose(hidden.grad, expected[0], rtol=1e-5, atol=1e-6)
    assert torch.allclose(weight.grad, expected[1], rtol=1e-5, atol=1e-6)


def test_bf16_is_reduced_in_fp32():
    hidden, weight, labels = example(torch.bfloat16, tokens=400)
    chunked = token_loss_sum(hidden, weight, labels, chunk=16)
    chunked.backward()
    exact_hidden, exact_weight = (t.detach().double().requires_grad_() for t in (hidden, weight))
    exact = plain_double(exact_hidden, exact_weight, labels)
    exact.backward()
    assert chunked.dtype == torch.float32
    # Logits rounded to bf16 cost some digits of each token's loss, not of their sum.
    assert float(chunked) == pytest.approx(float(exact), rel=2e-3)
    error = (weight.grad.double() - exact_weight.grad).norm() / exact_weight.grad.norm()
    assert float(error) < 0.02


def plain_double(hidden, weight, labels):
    return cross_entropy(hidden @ weight.t(), labels, ignore_index=IGNORE_INDEX, reduction="sum")


def test_only_one_chunk_of_logits_exists_and_none_of_what_does_not_count(monkeypatch):
    seen = []
    inner = loss_module._softmax_minus_target

    def watching(logits, labels):
        seen.append(tuple(logits.shape))
        return inner(logits, labels)

    monkeypatch.setattr(loss_module, "_softmax_minus_target", watching)
    hidden, weight, labels = example()
    token_loss_sum(hidden, weight, labels, chunk=10)
    assert seen == [(10, 50), (10, 50), (7, 50)]  # 10 of 37 tokens do not count


def test_nothing_that_counts_is_a_loss_of_zero():
    hidden, weight, _ = example()
    labels = torch.full((37,), IGNORE_INDEX)
    loss = token_loss_sum(hidden, weight, labels)
    loss.backward()
    assert float(loss) == 0.0
    assert float(hidden.grad.abs().max()) == 0.0
    assert float(weight.grad.abs().max()) == 0.0


def test_a_frozen_head_gets_no_gradient():
    hidden, weight, labels = example()
    token_loss_sum(hidden, weight.detach(), labels).backward()
    assert weight.grad is None
    assert hidden.grad is not None


def test_huge_logits_stay_finite():
    hidden = torch.full((4, 2), 300.0)
    weight = torch.tensor([[1.0, 1.0], [-1.0, -1.0], [0.5, 0.5]])
    loss = token_loss_sum(hidden, weight, torch.tensor([0, 1, 2, IGNORE_INDEX]))
    assert float(loss) == pytest.approx(1200 + 300)


def test_the_plain_loss_counts_the_same_labels():
    hidden, weight, labels = example()
    plain = plain_loss_sum(hidden @ weight.t(), labels)
    assert float(plain) == pytest.approx(float(token_loss_sum(hidden, weight, labels)), rel=1e-6)
