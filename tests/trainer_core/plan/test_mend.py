from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from trainer_core.plan.choose import best_plan
from trainer_core.plan.mend import cheapest_mend
from trainer_core.plan.search import plans_for
from trainer_core.plan.types import Hardware, Workload

Workloads = Callable[..., Workload]
Machines = Callable[[int], Hardware]


@pytest.mark.parametrize(
    ("model", "fields", "gib", "devices", "mend"),
    [
        ("cerebras-gpt-1.3b", {"micro_batch_size": 16}, 30, 1, ("micro_batch_size", "8")),
        (
            "cerebras-gpt-1.3b",
            {"micro_batch_size": 8, "recomputation": "none", "sequence_length": 2048},
            40,
            1,
            ("micro_batch_size", "4"),
        ),
        (
            "cerebras-gpt-1.3b",
            {"micro_batch_size": 1, "recomputation": "none", "sequence_length": 2048},
            27,
            1,
            ("parallel.recomputation", "auto"),
        ),
        ("cerebras-gpt-13b", {"strategy": "ddp"}, 79, 8, ("parallel.strategy", "auto")),
        ("cerebras-gpt-13b", {}, 79, 2, ("size", "Large")),
        ("cerebras-gpt-13b", {}, 79, 8, None),
    ],
)
def test_the_first_change_that_is_enough_is_offered(
    make_workload: Workloads,
    h100s: Machines,
    model: str,
    fields: dict[str, object],
    gib: int,
    devices: int,
    mend: tuple[str, str] | None,
) -> None:
    workload = make_workload(model, **fields)
    machine = replace(h100s(8 if devices > 1 else 1), memory_bytes=gib << 30)
    before = best_plan(plans_for(workload, machine, devices), machine.memory_bytes)
    assert before is not None
    if mend is None:
        assert before.memory.total <= machine.memory_bytes
        return
    assert before.memory.total > machine.memory_bytes
    found = cheapest_mend(workload, machine, devices, best_plan, plans_for)
    assert found is not None
    assert (found.field, found.text) == mend
    assert found.sentence.startswith(f"fits with {mend[0]}: {mend[1]} (")
    assert found.sentence.endswith("tokens/s)")


def test_shorter_rows_are_the_last_resort(make_workload: Workloads, h100s: Machines) -> None:
    workload = make_workload(
        "cerebras-gpt-111m", method="lora", sequence_length=2048, recomputation="blocks"
    )
    plans = plans_for(workload, h100s(1), 1)
    least = min(plan.memory.total for plan in plans)
    machine = replace(h100s(1), memory_bytes=int(0.97 * least))
    found = cheapest_mend(workload, machine, 1, best_plan, plans_for)
    assert found is not None
    assert found.field == "sequence_length"
    assert int(found.text) < 2048


def test_nothing_is_offered_where_nothing_is_enough(
    make_workload: Workloads, h100s: Machines
) -> None:
    machine = replace(h100s(1), memory_bytes=1 << 30)
    workload = make_workload("cerebras-gpt-13b")
    assert cheapest_mend(workload, machine, 1, best_plan, plans_for) is None
