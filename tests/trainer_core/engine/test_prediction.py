"""A run tells the peak it expects, the planner's figure for its own plan."""

from __future__ import annotations

import msgspec
import torch

from trainer_core.engine import rank
from trainer_core.engine.model import TINY_SHAPE
from trainer_core.engine.precision import choose_numerics
from trainer_core.engine.prediction import cheapest_fix, predicted_peak_bytes
from trainer_core.engine.settled import settle_steps
from trainer_core.plan.choose import make_verdict
from trainer_core.plan.types import Hardware
from trainer_core.run.config.run_config import ParallelConfig, RunConfig
from trainer_core.run.config.workload import workload_of

CPU = torch.device("cpu")


def settled(**changes):
    config = RunConfig(sequence_length=256, global_batch_size=8, steps=4, micro_batch_size=4)
    config = msgspec.structs.replace(config, **changes)
    return settle_steps(config, sequences=40, world_size=1, device=CPU)


def test_the_prediction_is_the_verdicts_own():
    run = settled()
    hardware = Hardware(
        kind="cpu", name="cpu", devices=1, device_memory_gb=16, memory_bytes=16 << 30
    )
    verdict = make_verdict(workload_of(run.config, TINY_SHAPE, hardware), hardware, 1)
    assert verdict.choice.plan.micro_batch_size == run.micro_batch_size
    numerics = choose_numerics("fp32", CPU)
    predicted = predicted_peak_bytes(run, TINY_SHAPE, numerics, CPU)
    assert predicted == verdict.choice.plan.memory.total


def test_it_grows_with_the_micro_batch():
    numerics = choose_numerics("fp32", CPU)
    small = predicted_peak_bytes(settled(micro_batch_size=1), TINY_SHAPE, numerics, CPU)
    assert predicted_peak_bytes(settled(), TINY_SHAPE, numerics, CPU) > small


def test_the_cheapest_change_is_named():
    numerics = choose_numerics("fp32", CPU)
    fix, change = cheapest_fix(settled(micro_batch_size=8), TINY_SHAPE, numerics, CPU)
    assert fix.startswith("start again with --set micro_batch_size=4: ")
    assert fix.endswith(" on each device")
    assert change == {"micro_batch_size": "4"}
    smallest = settled(
        micro_batch_size=1,
        sequence_length=128,
        method="lora",
        parallel=ParallelConfig(recomputation="blocks"),
    )
    nothing = "choose a smaller model or a device with more memory"
    assert cheapest_fix(smallest, TINY_SHAPE, numerics, CPU) == (nothing, {})


def test_a_run_announces_it(make_run, read_events):
    folder = make_run(sample={"count": 0}, steps=1)
    assert rank.main(folder) == 0
    (started,) = read_events(folder, "run_started")
    assert started["predicted_memory_bytes"] > 1 << 20
