"""A laboratory for each test, and figures of its own for the report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.laboratory import Laboratory, kept_apart


@pytest.fixture
def laboratory(tmp_path: Path) -> Iterator[Laboratory]:
    """Hand out a home in which anything may be broken."""
    yield from kept_apart(Laboratory(tmp_path))
