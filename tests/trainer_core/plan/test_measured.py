from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from trainer_core.plan.choose import COMPUTED_REST, make_verdict
from trainer_core.plan.measured import corrected, scaled_memory, setup_of
from trainer_core.plan.search import plan_of
from trainer_core.plan.types import Hardware, Layout, Measurement, Plan, Workload

Workloads = Callable[..., Workload]
Layouts = Callable[..., Layout]
Machines = Callable[[int], Hardware]


@pytest.fixture
def plan(make_workload: Workloads, make_layout: Layouts, h100s: Machines) -> Plan:
    return plan_of(make_workload(), h100s(1), make_layout())


def entry(workload: Workload, plan: Plan, memory: float, speed: float) -> Measurement:
    return Measurement(
        setup=setup_of(workload, plan),
        peak_memory_bytes=round(plan.memory.total * memory),
        computed_memory_bytes=plan.memory.total,
        tokens_per_second=(plan.tokens_per_second or 0) * speed,
        computed_tokens_per_second=plan.tokens_per_second,
    )


def test_a_plan_that_was_measured_takes_what_was_measured(
    make_workload: Workloads, plan: Plan
) -> None:
    measured = [entry(make_workload(), plan, 0.5, 0.7), entry(make_workload(), plan, 1.1, 0.7)]
    after = corrected(plan, make_workload(), measured)
    assert after.measured
    assert after.memory.total == pytest.approx(1.1 * plan.memory.total, rel=1e-6)
    assert after.tokens_per_second == pytest.approx(0.7 * (plan.tokens_per_second or 0))
    assert after.memory.optimizer == plan.memory.optimizer


def test_others_are_scaled_by_what_resembles_them(
    make_workload: Workloads, make_layout: Layouts, h100s: Machines, plan: Plan
) -> None:
    longer = make_workload(sequence_length=512)
    other = plan_of(longer, h100s(1), make_layout(micro_batch_size=2))
    after = corrected(other, longer, [entry(make_workload(), plan, 1.1, 0.7)])
    assert not after.measured
    assert after.memory.total == pytest.approx(1.1 * other.memory.total, rel=1e-3)
    assert after.tokens_per_second == pytest.approx(0.7 * (other.tokens_per_second or 0))
    # Another model is believed only so far, and nothing is said of another method.
    large = make_workload("cerebras-gpt-256m")
    computed = plan_of(large, h100s(1), make_layout())
    far = corrected(computed, large, [entry(make_workload(), plan, 3.0, 1.0)])
    assert far.memory.total == pytest.approx(1.25 * computed.memory.total, rel=1e-3)
    adapters = make_workload(method="lora")
    alone = plan_of(adapters, h100s(1), make_layout())
    assert corrected(alone, adapters, [entry(make_workload(), plan, 1.1, 0.7)]) == alone


def test_a_disturbed_run_makes_no_other_plan_look_better(
    make_workload: Workloads, h100s: Machines
) -> None:
    workload, machine = make_workload(), h100s(2)
    first = make_verdict(workload, machine, 2).choice
    assert first is not None
    assert first.plan is not None
    frozen = replace(machine, measured=(entry(workload, first.plan, 1.2, 0.04),))
    verdict = make_verdict(workload, frozen, 2)
    assert verdict.choice is not None
    assert verdict.choice.plan is not None
    assert verdict.choice.plan.line == first.plan.line
    assert verdict.choice.plan.measured


def test_what_fits_by_arithmetic_may_not_by_measurement(plan: Plan) -> None:
    smaller = scaled_memory(plan.memory, 0.9)
    assert smaller.total == pytest.approx(0.9 * plan.memory.total, rel=1e-6)
    assert smaller.weights == plan.memory.weights


def test_sizes_without_a_measurement_are_computed_only(
    make_workload: Workloads, h100s: Machines
) -> None:
    workload = make_workload(micro_batch_size=4, recomputation="none", strategy="ddp")
    single = replace(workload, strategy="auto")
    first = make_verdict(single, h100s(2), 1).choice
    assert first is not None
    assert first.plan is not None
    machine = replace(h100s(2), measured=(entry(single, first.plan, 1.0, 1.0),))
    verdict = make_verdict(single, machine, 1)
    assert verdict.sizes[0].plan is not None
    assert verdict.sizes[0].plan.measured
    assert verdict.notes == (f"{COMPUTED_REST} Medium.160GB",)
