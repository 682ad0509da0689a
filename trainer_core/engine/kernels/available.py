"""What this machine's torch can compile kernels with."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec


@cache
def has_triton() -> bool:
    """Whether Triton is installed; kernels that need it have a twin in plain torch."""
    return find_spec("triton") is not None
