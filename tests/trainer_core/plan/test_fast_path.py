"""What is chosen for one 80 GB card, by size: the measured cases and the rules between them."""

from __future__ import annotations

from typing import Any

import pytest

from trainer_core.plan.fast_path import USABLE_SHARE, FastPath, Wanted, choose_fast_path
from trainer_core.plan.types import ModelShape

H100_BYTES = int(78.6 * 2**30)


def gpt(layers: int, width: int, heads: int) -> ModelShape:
    matrices = 12 * layers * width * width
    return ModelShape(
        parameters=matrices + 13 * layers * width + (50_257 + 2_048) * width,
        matmul_parameters=matrices + 50_257 * width,
        layers=layers,
        width=width,
        heads=heads,
        key_value_heads=heads,
        feed_forward_width=4 * width,
        vocabulary=50_257,
        context=2_048,
    )


SHAPES = {
    "111m": gpt(10, 768, 12),
    "1.3b": gpt(24, 2048, 16),
    "6.7b": gpt(32, 4096, 32),
    "13b": gpt(40, 5120, 40),
}


def chosen(size: str, rows: int, *, fp8_works: bool = True, **wanted: Any) -> FastPath:
    return choose_fast_path(
        SHAPES[size],
        memory_bytes=H100_BYTES,
        sequence_length=1024,
        rows=rows,
        fp8_works=fp8_works,
        wanted=Wanted(**wanted),
    )


def test_a_small_model_stays_exact() -> None:
    path = chosen("111m", 64)
    assert (path.fp8, path.states, path.in_backward) == (False, "fp32", False)
    assert (path.micro_batch_size, path.recomputed_blocks) == (32, 0)


def test_a_middling_one_takes_fp8_and_exact_states() -> None:
    path = chosen("1.3b", 32)
    assert (path.fp8, path.states, path.in_backward) == (True, "fp32", False)
    assert path.keep_inputs


def test_13b_fits_and_says_how() -> None:
    path = chosen("13b", 6)
    assert (path.fp8, path.states, path.in_backward) == (True, "fp8", True)
    assert path.recomputed_blocks <= 4
    assert path.memory_bytes <= USABLE_SHARE * H100_BYTES
    said = " ".join(path.reasons)
    assert "8 bits" in said
    assert "inside the backward pass" in said


def test_13b_at_many_rows_recomputes_and_keeps_its_clip() -> None:
    path = chosen("13b", 32)
    assert path.micro_batch_size == 32
    assert not path.in_backward
    assert path.recomputed_blocks > 30


@pytest.mark.parametrize("size", list(SHAPES))
@pytest.mark.parametrize("rows", [1, 3, 8, 17, 32])
def test_what_is_chosen_fits_and_shares_rows_out(size: str, rows: int) -> None:
    path = chosen(size, rows)
    assert path.memory_bytes <= USABLE_SHARE * H100_BYTES
    assert 1 <= path.micro_batch_size <= rows
    assert not path.in_backward or path.micro_batch_size == rows


def test_what_is_asked_for_is_done() -> None:
    path = chosen("1.3b", 32, states="fp8", fp8=False, recomputation="blocks", micro_batch_size=8)
    assert (path.states, path.fp8) == ("fp8", False)
    assert (path.recomputed_blocks, path.micro_batch_size) == (24, 8)
    assert any("as asked for" in reason for reason in path.reasons)


def test_a_card_without_fp8_is_told_so() -> None:
    path = chosen("1.3b", 32, fp8_works=False)
    assert not path.fp8
    assert any("has none in fp8" in reason for reason in path.reasons)


def test_fresh_weights_get_fp8_products_only_where_asked_for() -> None:
    path = chosen("1.3b", 32, from_scratch=True)
    assert not path.fp8
    assert any("fresh weights" in reason for reason in path.reasons)
    assert chosen("1.3b", 32, from_scratch=True, fp8=True).fp8


def test_stepping_inside_several_passes_is_refused() -> None:
    with pytest.raises(ValueError, match="several passes"):
        chosen("1.3b", 32, in_backward=True, micro_batch_size=8)


def test_less_memory_means_more_care() -> None:
    memories = [
        choose_fast_path(
            SHAPES["6.7b"],
            memory_bytes=gib << 30,
            sequence_length=1024,
            rows=8,
            fp8_works=True,
        )
        for gib in (140, 79, 48)
    ]
    assert memories[0].states == "fp32" or memories[0].recomputed_blocks == 0
    assert memories[2].recomputed_blocks >= memories[1].recomputed_blocks
