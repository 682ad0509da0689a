"""GELU into codes and back: torch's own numbers, whatever the sign of what comes in."""

from __future__ import annotations

import pytest
import torch
from torch import library
from torch.nn.functional import gelu

from trainer_core.engine.kernels import gelu_codes
from trainer_core.engine.kernels.fp8_cast import scale_of

CODES = torch.float8_e4m3fn


@pytest.mark.parametrize("approximation", ["none", "tanh"])
@pytest.mark.parametrize("shift", [-9.0, 0.0, 3.0])
def test_codes_are_gelu_rounded(approximation: str, shift: float) -> None:
    torch.manual_seed(0)
    hidden = (torch.randn(48, 32) + shift).bfloat16()
    exact = gelu(hidden.float(), approximate=approximation)
    largest = gelu_codes.largest_after_gelu(hidden, approximation)
    assert largest >= exact.abs().max() * (1 - 1e-6)
    if shift == 0.0:
        assert float(largest) == pytest.approx(float(exact.abs().max()))
    scale = scale_of(largest, CODES)
    rows, columns = gelu_codes.gelu_both(hidden, scale, CODES, approximation)
    assert torch.equal(rows.float(), columns.float().t())
    assert torch.equal(
        rows.float(), gelu_codes.gelu_rows(hidden, scale, CODES, approximation).float()
    )
    # e4m3 has 3 bits of mantissa; below its smallest normal number the error is absolute.
    error = (rows.float() * scale - exact).abs()
    assert (error <= exact.abs() / 16 + float(scale) * 2**-9).all()


@pytest.mark.parametrize("approximation", ["none", "tanh"])
def test_the_gradient_is_autograds(approximation: str) -> None:
    torch.manual_seed(0)
    hidden = (torch.randn(48, 32) * 2).bfloat16()
    gradient = torch.randn(48, 32).bfloat16()
    exact = hidden.float().requires_grad_()
    gelu(exact, approximate=approximation).backward(gradient.float())
    assert exact.grad is not None
    found, largest = gelu_codes.gelu_backward(gradient, hidden, approximation)
    assert torch.allclose(found.float(), exact.grad, rtol=0.01, atol=1e-4)
    assert float(largest) == float(found.abs().max())
    scale = scale_of(gelu_codes.largest_after_gelu(hidden, approximation), CODES)
    again, same, codes = gelu_codes.gelu_backward_and_codes(
        gradient, hidden, approximation, scale, CODES
    )
    assert torch.equal(again, found)
    assert float(same) == float(largest)
    kept = gelu_codes.gelu_both(hidden, scale, CODES, approximation)[1]
    assert torch.equal(codes.float(), kept.float())


def test_what_the_compiler_expects_has_the_shapes_that_come() -> None:
    hidden, scale = torch.randn(16, 32).bfloat16(), torch.ones(())
    for operation, arguments in (
        (gelu_codes.gelu_both, (hidden, scale, CODES, "none")),
        (gelu_codes.gelu_rows, (hidden, scale, CODES, "none")),
        (gelu_codes.gelu_backward, (hidden, hidden, "none")),
        (gelu_codes.gelu_backward_and_codes, (hidden, hidden, "none", scale, CODES)),
    ):
        assert set(library.opcheck(operation, arguments).values()) == {"SUCCESS"}
