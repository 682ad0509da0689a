from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from trainer_core.plan.choose import make_verdict
from trainer_core.plan.machines import load_machine
from trainer_core.plan.types import Hardware, Workload
from trainer_core.plan.words import gib, in_words, runner_up_cost

Workloads = Callable[..., Workload]
Machines = Callable[[int], Hardware]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 MiB"), (640 << 20, "640 MiB"), (2**30, "1.0 GiB"), (23_000_000_000, "21.4 GiB")],
)
def test_sizes_are_read_at_a_glance(size: int, text: str) -> None:
    assert gib(size) == text


def test_the_reason_names_the_numbers_that_chose(make_workload: Workloads, h100s: Machines) -> None:
    verdict = make_verdict(make_workload(), h100s(1), 1)
    choice = verdict.choice
    assert choice is not None
    assert choice.plan is not None
    used = gib(choice.plan.memory.total)
    assert verdict.reason == (
        f"Small.80GB: one device holds the whole run ({used} of 79.0 GiB); "
        "no recomputation, everything is kept; "
        "16 sequences at a time, the whole batch of 16 in one pass"
    )


def test_recomputation_is_explained_by_what_keeping_needs(
    make_workload: Workloads, h100s: Machines
) -> None:
    workload = make_workload("cerebras-gpt-1.3b", micro_batch_size=8)
    machine = replace(h100s(1), memory_bytes=40 << 30)
    reason = make_verdict(workload, machine, 1).reason
    assert "activations are recomputed: keeping them needs " in reason
    assert "8 sequences at a time, 2 passes for the batch of 16" in reason


def test_data_parallel_says_what_travels(make_workload: Workloads, h100s: Machines) -> None:
    verdict = make_verdict(make_workload(strategy="ddp"), h100s(2), 2)
    assert "every device holds the whole model" in verdict.reason
    assert "only gradients travel" in verdict.reason


def test_a_size_that_cannot_be_formed_is_the_reason(
    make_workload: Workloads, h100s: Machines
) -> None:
    verdict = make_verdict(make_workload(), h100s(1), 2)
    assert verdict.reason == (
        "Medium.160GB cannot be formed: it needs 2 devices, this machine has 1"
    )


def test_the_runner_up_is_told_by_what_it_costs(make_workload: Workloads, h100s: Machines) -> None:
    verdict = make_verdict(make_workload(), h100s(1), 1)
    assert verdict.runner_up is not None
    assert verdict.runner_up.plan is not None
    assert in_words(verdict.runner_up.plan) == "one device with recomputation"
    assert verdict.runner_up_cost.startswith("one device with recomputation: ")
    assert "slower" in verdict.runner_up_cost
    assert verdict.runner_up_cost.endswith("less on each device")
    assert verdict.choice is not None
    assert runner_up_cost(verdict.choice, None) == ""


def test_the_next_better_plan_says_what_it_lacks(make_workload: Workloads, h100s: Machines) -> None:
    machine = replace(h100s(1), memory_bytes=40 << 30)
    verdict = make_verdict(make_workload("cerebras-gpt-1.3b"), machine, 1)
    assert " faster; it needs " in verdict.next_better
    assert verdict.next_better.endswith(" more than there is")
    assert make_verdict(make_workload(), h100s(1), 1).next_better == ""


def test_a_plan_that_is_not_run_yet_says_what_is(
    make_workload: Workloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer_core.plan.words.EXECUTED", frozenset({"single", "ddp", "fsdp"}))
    workload = make_workload("cerebras-gpt-13b", global_batch_size=32)
    verdict = make_verdict(workload, load_machine("16xmi250"), 32)
    note = verdict.notes[-1]
    assert "is planned, not yet run by this version; the best it runs here is sharded" in note
