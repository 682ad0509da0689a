"""On a card: four bits are the numbers of their plain twin, and compiled blocks keep no weight."""

from __future__ import annotations

import pytest
import torch

from trainer_core.engine.kernels import nf4

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a card"),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_codes_and_numbers_are_the_twins(dtype: torch.dtype) -> None:
    weight = torch.randn(96, 160)
    codes, scales = nf4.encode(weight)
    card_codes, card_scales = nf4.encode(weight.cuda())
    assert torch.equal(card_codes.cpu(), codes)
    assert torch.equal(card_scales.cpu(), scales)
    numbers = nf4.decode(card_codes, card_scales, 96, 160, dtype)
    assert torch.equal(numbers.cpu(), nf4.decode(codes, scales, 96, 160, dtype))
