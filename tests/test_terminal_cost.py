"""What the dashboard costs a terminal, as far as it does not depend on the machine's mood."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def costs():
    """One start of the floor and one of ours, in turn."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location(
            "terminal_cost", BENCHMARKS / "terminal_cost.py"
        )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield {program: module.start_costs(program) for program in module.PROGRAMS}
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_the_first_screen_is_small_and_leaves_nothing_behind(costs):
    ours = costs["moai-tui"]
    assert ours["bytes"] <= 15_000
    assert ours["quit code"] == 0
    assert ours["modes left on"] == 0


def test_it_takes_little_more_work_than_textual_itself(costs):
    """CPU, not time; twice the floor is far from what is measured (1.2 to 1.4)."""
    assert costs["moai-tui"]["CPU s"] <= 2.0 * costs["floor"]["CPU s"]
