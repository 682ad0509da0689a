from __future__ import annotations

from collections.abc import Callable

import pytest

from trainer_core.plan.search import plans_for
from trainer_core.plan.types import Hardware, ModelShape
from trainer_core.run.config.data_report import DataReport
from trainer_core.run.config.run_config import LoraConfig, ParallelConfig, RunConfig
from trainer_core.run.config.workload import apply_plan, workload_of


def test_a_config_becomes_what_the_planner_judges(
    shape_of: Callable[[str], ModelShape], laptop: Hardware
) -> None:
    config = RunConfig(
        method="lora",
        lora=LoraConfig(rank=4),
        sequence_length=256,
        global_batch_size=8,
        steps=7,
        parallel=ParallelConfig(recomputation="blocks"),
    )
    report = DataReport(
        source="x", format="text", prompt_format="text", columns=(), rows=1, mean_tokens_per_row=99
    )
    workload = workload_of(config, shape_of("tiny"), laptop, report)
    assert (workload.method, workload.lora_rank, workload.steps) == ("lora", 4, 7)
    assert (workload.precision, workload.recomputation) == ("fp32", "blocks")
    assert workload.mean_document_length == 99


def test_the_plan_is_written_back(
    shape_of: Callable[[str], ModelShape], h100s: Callable[[int], Hardware]
) -> None:
    config = RunConfig(sequence_length=256, global_batch_size=8)
    workload = workload_of(config, shape_of("tiny"), h100s(2))
    plan = plans_for(workload, h100s(2), 2)[0]
    ready = apply_plan(config, plan)
    assert ready.micro_batch_size == plan.micro_batch_size
    assert ready.parallel == ParallelConfig(
        strategy=plan.strategy,
        tensor=1,
        pipeline=1,
        context=1,
        recomputation=plan.recomputation,
    )
    assert ready.precision == "bf16"


def test_an_open_config_is_our_own_mistake(
    shape_of: Callable[[str], ModelShape], laptop: Hardware
) -> None:
    with pytest.raises(ValueError, match="must be resolved"):
        workload_of(RunConfig(), shape_of("tiny"), laptop)
