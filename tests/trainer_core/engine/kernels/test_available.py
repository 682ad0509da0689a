"""Whether kernels can be compiled here."""

from __future__ import annotations

from importlib.util import find_spec

from trainer_core.engine.kernels.available import has_triton


def test_it_tells_what_is_installed() -> None:
    assert has_triton() is (find_spec("triton") is not None)
