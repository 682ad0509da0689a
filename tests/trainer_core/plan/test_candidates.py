from __future__ import annotations

from collections.abc import Callable

import pytest

from trainer_core.plan.candidates import candidates, why_none
from trainer_core.plan.degrees import EXECUTED
from trainer_core.plan.types import Workload

Workloads = Callable[..., Workload]


@pytest.mark.parametrize("devices", [1, 2, 4, 8, 12, 16])
@pytest.mark.parametrize("batch", [1, 8, 12, 16, 48])
def test_micro_batches_always_add_up_to_the_global_batch(
    make_workload: Workloads, devices: int, batch: int
) -> None:
    found = list(candidates(make_workload(global_batch_size=batch), devices))
    assert {layout.devices for layout in found} <= {devices}
    for layout in found:
        round_size = layout.micro_batch_size * layout.gradient_accumulation_steps
        assert round_size * layout.degrees.data == batch
    plain = {"global_batch_size": batch, "tensor": 1, "pipeline": 1, "context": 1}
    assert bool(list(candidates(make_workload(**plain), devices))) == (batch % devices == 0)


def test_what_the_user_fixed_is_kept(make_workload: Workloads) -> None:
    workload = make_workload(micro_batch_size=2, strategy="ddp", recomputation="none")
    (layout,) = candidates(workload, 4)
    assert (layout.micro_batch_size, layout.gradient_accumulation_steps) == (2, 2)
    assert (layout.strategy, layout.recomputation) == ("ddp", "none")


def test_adapters_are_never_sharded(make_workload: Workloads) -> None:
    found = {layout.degrees.kind for layout in candidates(make_workload(method="lora"), 2)}
    assert found == {"ddp"}
    kinds = {layout.degrees.kind for layout in candidates(make_workload(), 2)}
    assert {"ddp", "fsdp"} <= kinds <= EXECUTED
    assert {layout.strategy for layout in candidates(make_workload(), 1)} == {"single"}


@pytest.mark.parametrize(
    ("fields", "devices", "sentence", "mend"),
    [
        (
            {"tensor": 1, "pipeline": 1},
            12,
            "a global batch of 16 cannot be shared by 12 devices; use 12 or 24",
            ("global_batch_size", "12"),
        ),
        (
            {"micro_batch_size": 3},
            1,
            "a global batch of 16 cannot be shared by 1 device in micro-batches of 3; use 15 or 18",
            ("global_batch_size", "15"),
        ),
        (
            {"strategy": "fsdp"},
            32,
            "a global batch of 16 cannot be shared by 32 devices; use 32",
            ("global_batch_size", "32"),
        ),
        (
            {"method": "lora", "tensor": 2},
            2,
            "parallel.tensor: lora adapters are copied to every device, never split; use 1",
            ("parallel.tensor", "1"),
        ),
        (
            {"tensor": 2, "pipeline": 2, "strategy": "fsdp", "shard": 2},
            8,
            "parallel.tensor: this version does not run 2 pipeline stages × tensor parallel over 2"
            " × sharded over 2; use 1",
            ("parallel.tensor", "1"),
        ),
        (
            {"tensor": 5},
            10,
            "parallel.tensor: 12 attention heads cannot be shared by 5 ranks; use 4",
            ("parallel.tensor", "4"),
        ),
        (
            {"strategy": "single"},
            2,
            "parallel.strategy single uses one device, this size has 2",
            ("parallel.strategy", "auto"),
        ),
    ],
)
def test_what_does_not_add_up_says_what_would(
    make_workload: Workloads,
    fields: dict[str, object],
    devices: int,
    sentence: str,
    mend: tuple[str, str],
) -> None:
    workload = make_workload(**fields)
    assert list(candidates(workload, devices)) == []
    assert why_none(workload, devices) == (sentence, mend)
