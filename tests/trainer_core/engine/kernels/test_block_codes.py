"""Codes of one byte: every code comes back, rounding is unbiased, random bits never repeat."""

from __future__ import annotations

import pytest
import torch

from trainer_core.engine.kernels.block_codes import (
    SIGNED_MANTISSA,
    UNSIGNED_MANTISSA,
    blocks_of,
    decode,
    encode,
    largest_code,
    random_bits,
    round_to_bf16,
    scale_count,
)

CPU = torch.device("cpu")


def test_signed_codes_are_e4m3() -> None:
    codes = torch.arange(0x7F, dtype=torch.uint8)
    expected = codes.view(torch.float8_e4m3fn).float()
    assert torch.equal(decode(codes, mantissa=SIGNED_MANTISSA), expected)


@pytest.mark.parametrize("mantissa", [SIGNED_MANTISSA, UNSIGNED_MANTISSA])
def test_a_number_that_has_a_code_keeps_it_whatever_the_random_bits(mantissa: int) -> None:
    codes = torch.arange(largest_code(mantissa) + 1, dtype=torch.int32)
    numbers = decode(codes, mantissa=mantissa)
    for random in (0, 255):
        assert torch.equal(
            encode(numbers, torch.full_like(codes, random), mantissa=mantissa), codes
        )


@pytest.mark.parametrize("mantissa", [SIGNED_MANTISSA, UNSIGNED_MANTISSA])
def test_the_mean_of_all_roundings_is_the_number(mantissa: int) -> None:
    numbers = torch.tensor([3e-4, 0.004, 0.0171, 0.3, 1.06, 77.7, 401.0])
    random = torch.arange(256, dtype=torch.int64)
    for number in numbers:
        codes = encode(number.expand(256).contiguous(), random, mantissa=mantissa)
        mean = decode(codes, mantissa=mantissa).mean()
        assert float(mean) == pytest.approx(float(number), rel=4e-3, abs=2.0**-17)


def test_bf16_rounding_is_unbiased_and_exact_where_it_can_be() -> None:
    value = torch.full((1 << 16,), 1.0 + 2.0**-9)
    rounded = round_to_bf16(value, torch.arange(1 << 16)).float()
    assert float(rounded.mean()) == pytest.approx(1.0 + 2.0**-9, rel=1e-6)
    exact = torch.tensor([-1.5, 0.0, 2.0**-130, 3e38]).bfloat16()
    assert torch.equal(round_to_bf16(exact.float(), torch.tensor(0xFFFF)), exact)


def test_random_bits_differ_by_place_and_key() -> None:
    bits = random_bits(100_000, (1, 2), CPU)
    assert len(bits.unique()) > 99_990
    assert not torch.equal(bits, random_bits(100_000, (1, 3), CPU))
    assert not torch.equal(bits, random_bits(100_000, (0, 2), CPU))
    ones = torch.stack([(bits >> place) & 1 for place in range(32)]).float().mean(1)
    assert ((ones - 0.5).abs() < 0.01).all()


def test_the_last_block_may_be_short() -> None:
    assert [scale_count(elements) for elements in (1, 256, 257)] == [1, 1, 2]
    assert blocks_of(torch.ones(300)).sum(1).tolist() == [256.0, 44.0]
