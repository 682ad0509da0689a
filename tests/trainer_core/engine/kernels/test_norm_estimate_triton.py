"""Needs Triton; on a card its numbers are held in `tests/gpu/test_fast_path.py`."""

from __future__ import annotations

import pytest

pytest.importorskip("triton", reason="Triton is not installed")

from trainer_core.engine.kernels import norm_estimate_triton


def test_the_kernel_is_compiled_for_what_is_passed() -> None:
    assert callable(norm_estimate_triton.after_on_card)
    assert hasattr(norm_estimate_triton._after, "arg_names")
