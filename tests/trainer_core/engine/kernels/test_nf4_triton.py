"""Needs Triton; on a card its numbers are held in `tests/gpu/test_four_bits.py`."""

from __future__ import annotations

import pytest

pytest.importorskip("triton", reason="Triton is not installed")

from trainer_core.engine.kernels import nf4_triton


def test_the_kernel_is_compiled_for_what_is_passed() -> None:
    assert callable(nf4_triton.decode_on_card)
    assert hasattr(nf4_triton._decode, "arg_names")
