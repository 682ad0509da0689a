"""Four bits are the published code, and a frozen product is a product with what they stand for."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import linear

from trainer_core.engine.kernels import nf4


def weight(rows=8, columns=32, seed=0):
    torch.manual_seed(seed)
    return torch.randn(rows, columns)


def test_the_table_is_the_published_one():
    """Bitsandbytes' `dequantizeNF4` as the paper's appendix lists it, and its own symmetry."""
    levels = torch.tensor(nf4.CODES)
    assert len(levels) == 16
    assert levels[0] == -1
    assert levels[7] == 0
    assert levels[15] == 1
    # The quantiles' construction: 8 of the negative half, 9 of the positive, zero in both.
    normal = torch.distributions.Normal(0.0, 1.0)
    offset = 0.9677083
    upper = normal.icdf(torch.linspace(offset, 0.5, 9)[:-1])
    lower = -normal.icdf(torch.linspace(offset, 0.5, 8)[:-1])
    values = torch.cat([upper, lower, torch.zeros(1)]).sort().values
    assert torch.allclose(values / values.max(), levels, atol=1e-5)


def test_every_number_becomes_the_nearest_level_of_its_block():
    original = weight()
    codes, scales = nf4.encode(original)
    assert codes.dtype == torch.uint8
    assert codes.numel() == original.numel() // 2
    back = nf4.decode(codes, scales, 8, 32, torch.float32)
    blocks, levels = original.view(-1, nf4.BLOCK), torch.tensor(nf4.CODES)
    assert torch.equal(scales, blocks.abs().amax(1))
    nearest = (blocks[..., None] - levels * scales[:, None, None]).abs().argmin(-1)
    assert torch.allclose(back.view_as(blocks), levels[nearest] * scales[:, None])


def test_levels_themselves_come_back_and_zeros_stay():
    exact = torch.tensor(nf4.CODES).repeat(8).view(2, 64) * torch.tensor([[3.0], [0.5]])
    exact[1] = 0
    codes, scales = nf4.encode(exact)
    assert torch.equal(nf4.decode(codes, scales, 2, 64, torch.float32), exact)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_product_and_its_gradient_are_those_of_the_decoded_weight(dtype):
    codes, scales = nf4.encode(weight())
    input = torch.randn(2, 5, 32).to(dtype).requires_grad_()
    same = input.detach().clone().requires_grad_()
    bias = torch.randn(8)
    output = nf4.product(input, codes, scales, bias, 8)
    plain = nf4.decode(codes, scales, 8, 32, dtype)
    expected = linear(same, plain, bias.to(dtype))
    direction = torch.randn_like(output)
    output.backward(direction)
    expected.backward(direction)
    assert torch.equal(output, expected)
    assert torch.equal(input.grad, same.grad)


def test_neither_input_nor_weight_is_kept_for_the_backward_pass():
    codes, scales = nf4.encode(weight())
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        nf4.product(torch.randn(5, 32, requires_grad=True), codes, scales, None, 8)
    size = sum(tensor.numel() * tensor.element_size() for tensor in kept)
    assert size == codes.numel() + 4 * scales.numel()
