"""Optimizer states in 8 bits: floats of one byte, one scale for every block of BLOCK elements.

A first moment is stored as e4m3 (sign, 4 bits of exponent, 3 of mantissa). The square root of a
second moment has no sign, so that bit is spent on a fourth bit of mantissa. Both are rounded
stochastically: to nearest, a root that loses 2.5 % a step would never leave its code again.

This module is the definition; `adamw_triton` computes the same numbers, bit by bit.
"""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 256
"""Elements that share a scale."""

SIGNED_MANTISSA, UNSIGNED_MANTISSA = 3, 4

SIGNED_LARGEST = 448.0
"""Largest e4m3 number; the code above it means NaN elsewhere, so it is not used."""

UNSIGNED_LARGEST = 496.0
"""Largest number of 4 bits of exponent and 4 of mantissa, all codes used."""

EXPONENT_SHIFT = 120
"""Difference between the exponents' biases of fp32 and of the codes: 127 - 7."""


def scale_count(elements: int) -> int:
    """Return the blocks of a tensor; the last may be short."""
    return -(-elements // BLOCK)


def random_bits(elements: int, keys: tuple[int, int], device: torch.device) -> Tensor:
    """Return 32 random bits for each element as int64: a hash of its place and two keys.

    Args:
        elements: How many, from place 0.
        keys: 32 bits each, never the same twice for one tensor.
        device: Where the bits are made.

    Source: the finalizer `lowbias32` of https://github.com/skeeto/hash-prospector, keyed twice.
    """
    mask = 0xFFFFFFFF
    bits = torch.arange(elements, device=device, dtype=torch.int64)
    bits = (bits * 0x9E3779B1 + keys[0]) & mask
    bits ^= bits >> 16
    bits = (bits * 0x7FEB352D + keys[1]) & mask
    bits ^= bits >> 15
    bits = (bits * 0x846CA68B) & mask
    return bits ^ (bits >> 16)


def encode(magnitudes: Tensor, random: Tensor, *, mantissa: int) -> Tensor:
    """Round numbers from 0 to the largest code stochastically to codes.

    Args:
        magnitudes: fp32, already divided by their block's scale.
        random: 8 random bits each.
        mantissa: Bits of mantissa.

    Returns:
        int32 codes without sign.
    """
    dropped = 23 - mantissa
    # With its exponent moved, an fp32 number's upper bits are the code, small ones included.
    bits = (magnitudes * 2.0**-EXPONENT_SHIFT).view(torch.int32)
    codes = (bits + (random << (dropped - 8)).to(torch.int32)) >> dropped
    return codes.clamp_max(largest_code(mantissa))


def decode(codes: Tensor, *, mantissa: int) -> Tensor:
    """Return the fp32 numbers of codes without sign."""
    return (codes.to(torch.int32) << (23 - mantissa)).view(torch.float32) * 2.0**EXPONENT_SHIFT


def largest_code(mantissa: int) -> int:
    """Return the code of the largest number: 0x7E for e4m3, 0xFF without a sign."""
    return 0x7E if mantissa == SIGNED_MANTISSA else 0xFF


def round_to_bf16(values: Tensor, random: Tensor) -> Tensor:
    """Round fp32 stochastically to bf16, so that the mean of many roundings is the number.

    Args:
        values: Finite fp32.
        random: 16 random bits each.
    """
    bits = values.view(torch.int32).to(torch.int64) & 0xFFFFFFFF
    kept = ((bits + random) >> 16) & 0xFFFF
    signed = torch.where(kept >= 0x8000, kept - 0x10000, kept)
    return signed.to(torch.int16).view(torch.bfloat16)


def blocks_of(flat: Tensor) -> Tensor:
    """Return [blocks, BLOCK] of a flat tensor, zeros at the end of the last."""
    missing = scale_count(flat.numel()) * BLOCK - flat.numel()
    return torch.nn.functional.pad(flat, (0, missing)).view(-1, BLOCK)
