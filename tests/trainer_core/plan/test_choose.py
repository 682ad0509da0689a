from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from trainer_core.accelerators.base import SIZE_NAMES
from trainer_core.plan.choose import (
    COMPUTED_ONLY,
    FITS_SHARE,
    best_plan,
    make_verdict,
    word_for,
)
from trainer_core.plan.machines import load_machine
from trainer_core.plan.search import plans_for
from trainer_core.plan.types import Hardware, Workload

GIB = 2**30
Workloads = Callable[..., Workload]
Machines = Callable[[int], Hardware]


def test_all_thirteen_sizes_are_judged_in_the_menus_order(
    make_workload: Workloads, h100s: Machines
) -> None:
    verdict = make_verdict(make_workload(), h100s(2), None)
    assert [judged.devices for judged in verdict.sizes] == list(SIZE_NAMES)
    assert [judged.size for judged in verdict.sizes[:3]] == [
        "Small.80GB",
        "Medium.160GB",
        "Large.320GB",
    ]
    assert [judged.verdict for judged in verdict.sizes] == ["fits", "fits"] + [
        "cannot be formed"
    ] * 11
    assert verdict.sizes[2].why == "needs 4 devices, this machine has 2"
    assert verdict.notes == (COMPUTED_ONLY,)


def test_a_full_fine_tune_of_13b_does_not_fit_one_80_gb_card_in_fp32_states(
    make_workload: Workloads, h100s: Machines
) -> None:
    """16 bytes a parameter are 191 GiB before the first activation."""
    verdict = make_verdict(make_workload("cerebras-gpt-13b"), h100s(1), 1)
    choice = verdict.choice
    assert choice is not None
    assert choice.verdict == "no"
    assert choice.plan is not None
    assert choice.plan.memory.total > 191 * GIB
    assert choice.plan.recomputation == "blocks"
    assert choice.mend == ("numerics", "auto")
    assert "fits with numerics: auto" in choice.why
    assert verdict.reason.startswith("Small.80GB needs ")
    assert verdict.runner_up is None


def test_eight_cards_hold_13b_by_sharding(make_workload: Workloads, h100s: Machines) -> None:
    workload = make_workload("cerebras-gpt-13b", steps=100)
    verdict = make_verdict(workload, h100s(8), 8)
    choice = verdict.choice
    assert choice is not None
    assert choice.plan is not None
    assert choice.verdict == "fits"
    assert choice.plan.strategy == "fsdp"
    assert choice.plan.seconds == pytest.approx(
        100 * 16 * 1024 / (choice.plan.tokens_per_second or 0)
    )
    assert "whole copies would need" in verdict.reason
    assert verdict.runner_up is not None
    assert verdict.runner_up.plan is not None
    assert verdict.runner_up.plan != choice.plan
    assert "slower" in verdict.runner_up_cost


def test_a_size_that_is_missing_memory_offers_the_next_that_has_it(
    make_workload: Workloads, h100s: Machines
) -> None:
    medium = make_verdict(make_workload("cerebras-gpt-13b"), h100s(8), None).sizes[1]
    assert medium.verdict == "no"
    assert medium.mend == ("size", "Large")


def test_the_fastest_size_that_fits_is_taken_when_none_is_asked_for(
    make_workload: Workloads, h100s: Machines
) -> None:
    verdict = make_verdict(make_workload(), h100s(8), None)
    able = [judged for judged in verdict.sizes if judged.verdict in ("fits", "tight")]
    rates = [judged.plan.tokens_per_second or 0 for judged in able if judged.plan]
    assert verdict.choice is not None
    assert verdict.choice.plan is not None
    assert verdict.choice.plan.tokens_per_second == max(rates)


def test_no_size_at_all_says_what_comes_nearest(make_workload: Workloads, h100s: Machines) -> None:
    machine = replace(h100s(1), memory_bytes=GIB)
    verdict = make_verdict(make_workload("cerebras-gpt-13b"), machine, None)
    assert verdict.choice is None
    assert verdict.reason.startswith("no size of this machine fits; Small.80GB needs ")
    assert verdict.sizes[0].why.endswith("no single change makes it fit")


def test_a_batch_that_no_size_divides_is_the_batchs_fault(
    make_workload: Workloads, h100s: Machines
) -> None:
    workload = make_workload(global_batch_size=1, strategy="ddp", tensor=1, pipeline=1)
    medium = make_verdict(workload, h100s(2), 2).choice
    assert medium is not None
    assert (medium.verdict, medium.plan) == ("no", None)
    assert medium.why == "a global batch of 1 cannot be shared by 2 devices; use 2"
    assert medium.mend == ("global_batch_size", "2")


def test_one_row_on_two_cards_is_shared_by_its_products(
    make_workload: Workloads, h100s: Machines
) -> None:
    choice = make_verdict(make_workload(global_batch_size=1), h100s(2), 2).choice
    assert choice is not None
    assert choice.plan is not None
    assert choice.plan.degrees.splits_model


def test_a_processor_is_judged_by_its_memory(make_workload: Workloads, laptop: Hardware) -> None:
    tiny = make_workload("tiny", precision="fp32", sequence_length=256, global_batch_size=8)
    assert make_verdict(tiny, laptop, 1).sizes[0].verdict == "fits"
    large = make_workload("cerebras-gpt-2.7b", precision="fp32")
    assert make_verdict(large, laptop, 1).sizes[0].verdict == "no"


@pytest.mark.parametrize(
    ("share", "word"), [(0.5, "fits"), (FITS_SHARE, "fits"), (0.95, "tight"), (1.01, "no")]
)
def test_words_are_shares_of_usable_memory(
    make_workload: Workloads, h100s: Machines, share: float, word: str
) -> None:
    plan = plans_for(make_workload(), h100s(1), 1)[0]
    # Rounded up: a byte must not turn an exact share into the next word.
    assert word_for(plan, int(plan.memory.total / share) + 1) == word


def test_less_memory_never_makes_a_plan_faster(make_workload: Workloads, h100s: Machines) -> None:
    plans = plans_for(make_workload("cerebras-gpt-1.3b"), h100s(1), 1)
    rates = []
    for gib in (200, 120, 80, 60, 40, 32):
        best = best_plan(plans, gib * GIB)
        assert best is not None
        rates.append(best.tokens_per_second or 0)
        assert best.memory.total <= gib * GIB
    # Plans within 2 % count as equally fast.
    assert all(later <= 1.02 * earlier for earlier, later in pairwise(rates))


def test_without_known_speed_nothing_is_recomputed_that_fits(
    make_workload: Workloads, h100s: Machines
) -> None:
    unknown = replace(h100s(1), matmul_flops=None)
    plan = best_plan(plans_for(make_workload(), unknown, 1), 79 * GIB)
    assert plan is not None
    assert plan.recomputation == "none"
    assert plan.tokens_per_second is None


def test_a_described_machine_says_so(make_workload: Workloads) -> None:
    verdict = make_verdict(make_workload(), load_machine("8xh100"), None)
    assert any("described machine" in note for note in verdict.notes)


def test_the_largest_machine_is_judged_by_few_plans(make_workload: Workloads) -> None:
    """384 devices and a batch with many divisors: a form redraws within a key's time."""
    workload = make_workload("cerebras-gpt-13b", global_batch_size=3840)
    machine = load_machine("192xmi250")
    assert make_verdict(workload, machine, None).choice is not None
    worked_out = sum(len(plans_for(workload, machine, devices)) for devices in SIZE_NAMES)
    # 70 microseconds each.
    assert worked_out < 10_000


def test_a_size_that_the_machines_settings_forbid_is_not_offered(
    make_workload: Workloads, h100s: Machines
) -> None:
    machine = replace(h100s(8), largest_allowed=2)
    verdict = make_verdict(make_workload("cerebras-gpt-13b"), machine, 2)
    large = verdict.sizes[2]
    assert large.verdict == "cannot be formed"
    assert large.why == "is larger than Medium, set by this machine's settings"
    assert verdict.choice is not None
    assert verdict.choice.mend != ("size", "Large")
