"""The planner says what the engine's fast path does on one H100: measured peaks and speeds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainer_core.plan.test_fast_path import SHAPES
from trainer_core.plan.choose import make_verdict
from trainer_core.plan.degrees import Degrees
from trainer_core.plan.fast_plan import fast_plan
from trainer_core.plan.types import Hardware, Layout, Workload

H100 = Hardware(
    kind="nvidia",
    name="NVIDIA H100 80GB HBM3",
    devices=1,
    memory_bytes=int(78.6 * 2**30),
    device_memory_gb=80,
    matmul_flops=989e12,
    memory_bandwidth=3.35e12,
)


def workload(size: str, rows: int, **changes: Any) -> Workload:
    return Workload(
        shape=SHAPES[size],
        method="full",
        sequence_length=1024,
        global_batch_size=rows,
        **{"numerics": "auto", "mean_document_length": 300.0, **changes},
    )


def layout(rows: int, micro: int | None = None) -> Layout:
    return Layout(
        degrees=Degrees(),
        micro_batch_size=micro or rows,
        gradient_accumulation_steps=rows // (micro or rows),
        recomputed_blocks=0,
    )


@pytest.mark.parametrize(
    ("size", "rows", "tokens_per_second"),
    [("111m", 32, 520_000), ("1.3b", 32, 83_397), ("6.7b", 12, 20_027), ("13b", 6, 9_894)],
)
def test_speed_is_near_what_was_measured(size: str, rows: int, tokens_per_second: float) -> None:
    plan = fast_plan(workload(size, rows), H100, layout(rows))
    assert plan is not None
    assert plan.tokens_per_second == pytest.approx(tokens_per_second, rel=0.15)


def test_13b_fits_one_card() -> None:
    verdict = make_verdict(workload("13b", 6), H100, 1)
    assert verdict.choice is not None
    assert verdict.choice.verdict in ("fits", "tight")
    assert verdict.choice.plan is not None
    assert verdict.choice.plan.fast
    plainly = make_verdict(workload("13b", 6, numerics="plain"), H100, 1)
    assert plainly.choice is None or plainly.choice.verdict == "no"


def test_the_parts_add_up() -> None:
    plan = fast_plan(workload("1.3b", 32), H100, layout(32, 8))
    assert plan is not None
    memory = plan.memory
    assert memory.gradients == 2 * SHAPES["1.3b"].parameters
    assert memory.total > memory.weights + memory.optimizer + memory.gradients


@pytest.mark.parametrize(
    "changes", [{"numerics": "plain"}, {"precision": "fp32"}, {"method": "lora"}]
)
def test_who_goes_the_plain_way(changes: dict[str, Any]) -> None:
    given = {"shape": SHAPES["111m"], "method": "full", "sequence_length": 1024}
    asked = Workload(**{**given, "global_batch_size": 8, "numerics": "auto", **changes})
    assert fast_plan(asked, H100, layout(8)) is None
