from __future__ import annotations

from collections.abc import Callable

import pytest

from trainer_core.plan.choose import make_verdict
from trainer_core.plan.degrees import EXECUTED, Degrees
from trainer_core.plan.machines import load_machine
from trainer_core.plan.memory import predict_memory
from trainer_core.plan.search import plans_for
from trainer_core.plan.speed import predict_step_seconds
from trainer_core.plan.types import Hardware, Layout, Workload

Workloads = Callable[..., Workload]
Machines = Callable[[int], Hardware]


def test_a_real_machine_gets_only_what_the_engine_runs(
    make_workload: Workloads, h100s: Machines
) -> None:
    plans = plans_for(make_workload("cerebras-gpt-1.3b"), h100s(8), 8)
    assert {plan.degrees.kind for plan in plans} <= EXECUTED


def test_a_described_machine_gets_every_kind(make_workload: Workloads) -> None:
    workload = make_workload("cerebras-gpt-13b", global_batch_size=64)
    kinds = {plan.degrees.kind for plan in plans_for(workload, load_machine("16xmi250"), 32)}
    assert {"hsdp", "tensor+fsdp", "tensor+pipeline+fsdp"} <= kinds
    long = make_workload("llama-3.2-1b", sequence_length=32_768)
    kinds = {plan.degrees.kind for plan in plans_for(long, load_machine("8xh100"), 8)}
    assert any("context" in kind for kind in kinds)


def test_the_platforms_own_plan_is_predicted_near_what_it_printed(
    make_workload: Workloads,
) -> None:
    """Its tutorial: 13B, batch 16, length 1024, 4 stages, 2 micro-batches: 6,841 tokens/s."""
    workload, machine = make_workload("cerebras-gpt-13b"), load_machine("16xmi250")
    layout = Layout(
        degrees=Degrees(replicas=8, stages=4),
        micro_batch_size=1,
        gradient_accumulation_steps=2,
        recomputed_blocks=0,
    )
    seconds = predict_step_seconds(workload, machine, layout)
    assert seconds is not None
    assert 16 * 1024 / seconds == pytest.approx(6_841, rel=0.15)
    ours = make_verdict(workload, machine, 32).choice
    assert ours is not None
    assert ours.plan is not None
    assert (ours.plan.tokens_per_second or 0) > 16 * 1024 / seconds
    assert ours.plan.memory.total < predict_memory(workload, layout, on_cpu=False).total


def test_stages_share_the_blocks_and_hold_what_is_under_way(make_workload: Workloads) -> None:
    workload = make_workload("cerebras-gpt-13b")

    def memory(stages: int, passes: int) -> int:
        layout = Layout(
            degrees=Degrees(stages=stages),
            micro_batch_size=1,
            gradient_accumulation_steps=passes,
            recomputed_blocks=0,
        )
        return predict_memory(workload, layout, on_cpu=False).total

    assert memory(4, 8) < memory(2, 8) < memory(1, 8)
    assert memory(4, 1) < memory(4, 2) < memory(4, 4) == memory(4, 8)


@pytest.mark.parametrize("field", ["tensor", "pipeline", "context"])
def test_what_is_asked_for_is_planned_alone(
    make_workload: Workloads, h100s: Machines, field: str
) -> None:
    workload = make_workload("cerebras-gpt-1.3b", **{field: 2})
    plans = plans_for(workload, h100s(4), 4)
    name = {"pipeline": "stages"}.get(field, field)
    assert plans
    assert {getattr(plan.degrees, name) for plan in plans} == {2}
