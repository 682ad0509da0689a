"""Casts: both layouts hold the same numbers, scales use the whole range, zeros are safe."""

from __future__ import annotations

import pytest
import torch

from trainer_core.engine.kernels import fp8_cast
from trainer_core.engine.kernels.fp8_cast import LARGEST, largest_magnitude, scale_of


@pytest.mark.parametrize("dtype", list(LARGEST))
def test_every_layout_holds_the_same_numbers(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    values = torch.randn(48, 32).bfloat16()
    scale = scale_of(largest_magnitude(values), dtype)
    rows, columns = fp8_cast.cast_both(values, scale, dtype)
    assert rows.shape == (48, 32)
    assert columns.shape == (32, 48)
    assert columns.is_contiguous()
    assert torch.equal(rows.float(), columns.float().t())
    assert torch.equal(fp8_cast.cast_rows(values, scale, dtype).float(), rows.float())
    assert torch.equal(fp8_cast.cast_columns(values, scale, dtype).float(), columns.float())
    late = fp8_cast.cast_columns_after(values, scale, dtype, values)
    assert torch.equal(late.float(), columns.float())
    *_, sums = fp8_cast.cast_both_and_sum(values, scale, dtype)
    assert torch.allclose(sums, values.float().sum(0), atol=1e-4)
    assert float(rows.float().abs().max()) == LARGEST[dtype]
    restored = rows.float() * scale
    assert float((restored - values.float()).norm() / values.float().norm()) < 0.06


def test_a_tensor_of_zeros_stays_zeros() -> None:
    zeros = torch.zeros(16, 16).bfloat16()
    scale = scale_of(largest_magnitude(zeros), torch.float8_e4m3fn)
    assert float(scale) == 1.0
    assert not fp8_cast.cast_rows(zeros, scale, torch.float8_e4m3fn).float().any()
