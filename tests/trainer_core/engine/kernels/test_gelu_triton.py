"""Needs Triton; on a card its numbers are held in `tests/gpu/test_fast_path.py`."""

from __future__ import annotations

import pytest

pytest.importorskip("triton", reason="Triton is not installed")

from trainer_core.engine.kernels import gelu_triton


def test_the_kernel_is_compiled_for_what_is_passed() -> None:
    assert callable(gelu_triton.backward_on_card)
    assert hasattr(gelu_triton._backward_tile, "arg_names")
