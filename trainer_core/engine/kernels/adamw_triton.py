"""The AdamW step of `adamw_step` as one Triton kernel: every byte is read and written once."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from trainer_core.engine.kernels.adamw_step import Moments, Signals, StepSettings
from trainer_core.engine.kernels.block_codes import BLOCK, scale_count

_BLOCKS, _WARPS = 8, 4
"""Blocks and warps of one program."""


@triton.jit
def _random(place, key_low, key_high):
    bits = place.to(tl.uint32) * 0x9E3779B1 + key_low.to(tl.uint32)
    bits = bits ^ (bits >> 16)
    bits = bits * 0x7FEB352D + key_high.to(tl.uint32)
    bits = bits ^ (bits >> 15)
    bits = bits * 0x846CA68B
    return bits ^ (bits >> 16)


@triton.jit
def _decode(codes, MANTISSA: tl.constexpr):
    bits = codes.to(tl.uint32) << (23 - MANTISSA)
    return bits.to(tl.float32, bitcast=True) * 1.329227995784916e36  # 2 ** 120


@triton.jit
def _encode(magnitudes, random, MANTISSA: tl.constexpr):
    bits = (magnitudes * 7.52316384526264e-37).to(tl.uint32, bitcast=True)  # 2 ** -120
    codes = (bits + (random << (15 - MANTISSA))) >> (23 - MANTISSA)
    return tl.minimum(codes, 126 if MANTISSA == 3 else 255)


@triton.jit
def _read(
    AVERAGE,
    AVERAGE_SCALE,
    ROOT,
    ROOT_SCALE,
    place,
    inside,
    block,
    known,
    EIGHT_BIT: tl.constexpr,
):
    average = tl.load(AVERAGE + place, mask=inside, other=0)
    second = tl.load(ROOT + place, mask=inside, other=0)
    if EIGHT_BIT:
        sign = tl.where(average >= 128, -1.0, 1.0)
        average = sign * _decode(average & 127, 3)
        average *= tl.load(AVERAGE_SCALE + block, mask=known, other=0.0)[:, None]
        root = _decode(second, 4)
        root *= tl.load(ROOT_SCALE + block, mask=known, other=0.0)[:, None]
        second = root * root
    return average, second


@triton.jit
def _write_codes(
    CODES,
    SCALE,
    magnitudes,
    negative,
    random,
    place,
    inside,
    block,
    known,
    LARGEST: tl.constexpr,
    MANTISSA: tl.constexpr,
):
    scale = tl.max(magnitudes, 1) / LARGEST
    tl.store(SCALE + block, scale, mask=known)
    inverse = tl.where(scale > 0, 1 / scale, 0.0)[:, None]
    codes = _encode(magnitudes * inverse, random, MANTISSA)
    if MANTISSA == 3:
        codes = codes | tl.where(negative, 128, 0).to(tl.uint32)
    else:
        codes = tl.maximum(codes, tl.where(magnitudes > 0, 1, 0).to(tl.uint32))
    tl.store(CODES + place, codes.to(tl.uint8), mask=inside)


# fmt: off
@triton.jit
def _write(
    AVERAGE, AVERAGE_SCALE, ROOT, ROOT_SCALE, average, second, random,
    place, inside, block, known, EIGHT_BIT: tl.constexpr,
):
    if EIGHT_BIT:
        _write_codes(
            AVERAGE, AVERAGE_SCALE, tl.abs(average), average < 0, (random >> 16) & 0xFF,
            place, inside, block, known, 448.0, 3,
        )
        _write_codes(
            ROOT, ROOT_SCALE, tl.sqrt(second), average < 0, random >> 24,
            place, inside, block, known, 496.0, 4,
        )
    else:
        tl.store(AVERAGE + place, average, mask=inside)
        tl.store(ROOT + place, second, mask=inside)


@triton.jit(do_not_specialize=["key_low", "key_high"])
def _adamw(
    WEIGHT, GRADIENT, AVERAGE, AVERAGE_SCALE, ROOT, ROOT_SCALE, FROZEN, DIVISOR, SQUARED_NORM,
    elements, blocks, key_low, key_high, learning_rate, kept, beta1, beta2, epsilon,
    correction1, correction2, bound,
    EIGHT_BIT: tl.constexpr, ROUND: tl.constexpr, BLOCKS: tl.constexpr, LENGTH: tl.constexpr,
):
    # Only the program's first place needs 64 bits.
    first = tl.program_id(0).to(tl.int64) * (BLOCKS * LENGTH)
    place = tl.arange(0, BLOCKS)[:, None] * LENGTH + tl.arange(0, LENGTH)[None, :]
    inside = place < elements - first
    block = tl.program_id(0) * BLOCKS + tl.arange(0, BLOCKS)
    known = block < blocks
    WEIGHT, GRADIENT = WEIGHT + first, GRADIENT + first
    AVERAGE, ROOT = AVERAGE + first, ROOT + first
    given = tl.load(GRADIENT + place, mask=inside, other=0.0).to(tl.float32)
    squares = tl.sum(given * given)
    tl.atomic_add(SQUARED_NORM + tl.program_id(0) % 256, squares.to(tl.float64), sem="relaxed")
    if squares < float("inf"):
        if tl.load(FROZEN) == 0.0:
            given = given * (1.0 / tl.load(DIVISOR))
            average, second = _read(
                AVERAGE, AVERAGE_SCALE, ROOT, ROOT_SCALE, place, inside, block, known, EIGHT_BIT
            )
            average = beta1 * average + (1 - beta1) * given
            second = beta2 * second + (1 - beta2) * given * given
            root = tl.sqrt(second)
            quotient = average * correction1 / (root * correction2 + epsilon)
            quotient = tl.minimum(tl.maximum(quotient, -bound), bound)
            weight = tl.load(WEIGHT + place, mask=inside, other=0.0).to(tl.float32)
            weight = weight * kept - learning_rate * quotient
            random = _random(first + place, key_low, key_high)
            if ROUND:
                bits = weight.to(tl.uint32, bitcast=True) + (random & 0xFFFF)
                weight = (bits >> 16).to(tl.uint16).to(tl.bfloat16, bitcast=True)
            tl.store(WEIGHT + place, weight, mask=inside)
            _write(
                AVERAGE, AVERAGE_SCALE, ROOT, ROOT_SCALE, average, second, random,
                place, inside, block, known, EIGHT_BIT,
            )
    else:
        # A gradient that is no number, or whose squares leave fp32's range.
        tl.store(FROZEN, 1.0)
# fmt: on


def update_on_card(
    weight: Tensor, gradient: Tensor, moments: Moments, signals: Signals, settings: StepSettings
) -> None:
    """Take one step in place; arguments as `adamw_step.update_plainly`, nothing waits."""
    elements = weight.numel()
    blocks = scale_count(elements)
    eight_bit = moments.average_scale is not None
    _adamw[(triton.cdiv(blocks, _BLOCKS),)](
        weight.detach(),
        gradient.detach(),
        moments.average,
        moments.average_scale if eight_bit else signals.divisor,
        moments.root,
        moments.root_scale if eight_bit else signals.divisor,
        signals.frozen,
        signals.divisor,
        signals.squared_norm,
        elements,
        blocks,
        _signed(settings.keys[0]),
        _signed(settings.keys[1]),
        settings.learning_rate,
        1 - settings.learning_rate * settings.weight_decay,
        settings.beta1,
        settings.beta2,
        settings.epsilon,
        1 / settings.correction1,
        1 / settings.correction2,
        settings.bound,
        EIGHT_BIT=eight_bit,
        ROUND=weight.dtype == torch.bfloat16,
        BLOCKS=_BLOCKS,
        LENGTH=BLOCK,
        num_warps=_WARPS,
    )


def _signed(word: int) -> int:
    """Return 32 bits as Triton passes them: words of 2**31 and more would be made 64 bits wide."""
    return word - 2**32 if word >= 2**31 else word
