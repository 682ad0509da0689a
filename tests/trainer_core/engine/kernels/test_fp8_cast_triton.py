"""Needs Triton; on a card its numbers are held in `tests/gpu/test_fast_path.py`."""

from __future__ import annotations

import pytest

pytest.importorskip("triton", reason="Triton is not installed")

from trainer_core.engine.kernels import fp8_cast_triton


def test_the_kernel_is_compiled_for_what_is_passed() -> None:
    assert callable(fp8_cast_triton.cast_on_card)
    assert hasattr(fp8_cast_triton._cast_tile, "arg_names")
