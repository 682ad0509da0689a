"""Open numbers are filled once the data is counted."""

from __future__ import annotations

import pytest
import torch

from trainer_core.engine.settled import settle_length, settle_steps
from trainer_core.errors import ConfigError
from trainer_core.run.config.run_config import ParallelConfig, RunConfig

CPU, CARD = torch.device("cpu"), torch.device("cuda")


def settle(world_size=1, sequences=100, device=CPU, **settings):
    config = settle_length(RunConfig(**settings))
    return settle_steps(config, sequences=sequences, world_size=world_size, device=device)


def test_epochs_become_steps():
    assert settle(epochs=2, global_batch_size=8).total_steps == 25
    assert settle(epochs=0.5, global_batch_size=8).total_steps == 7
    assert settle(steps=3, epochs=2).total_steps == 3
    assert settle(global_batch_size=8).total_steps == 13


def test_the_written_config_holds_every_number():
    config = settle(steps=100).config
    numbers = (
        config.sequence_length,
        config.global_batch_size,
        config.learning_rate,
        config.optimizer.warmup_steps,
        config.eval.every_steps,
        config.checkpoint.every_steps,
    )
    assert None not in numbers


@pytest.mark.parametrize(
    ("world_size", "batch", "length", "micro", "accumulation"),
    [
        (1, 8, 256, 8, 1),
        (1, 64, 1024, 8, 8),
        (2, 8, 256, 4, 1),
        (1, 9, 2048, 3, 3),
        (3, 16, 64, 6, 1),
    ],
)
def test_micro_batches_are_few_and_of_one_size(world_size, batch, length, micro, accumulation):
    settled = settle(world_size, global_batch_size=batch, sequence_length=length)
    assert settled.micro_batch_size == micro
    assert settled.gradient_accumulation_steps == accumulation


def test_a_configured_micro_batch_is_kept_but_never_above_a_ranks_share():
    assert settle(global_batch_size=8, micro_batch_size=2).gradient_accumulation_steps == 4
    assert settle(2, global_batch_size=8, micro_batch_size=16).micro_batch_size == 4


def test_several_ranks_shard_full_training_and_replicate_adapters():
    assert settle().strategy == "single"
    assert settle(2).strategy == "fsdp"
    assert settle(2, method="lora").strategy == "ddp"
    assert settle(2, parallel=ParallelConfig(strategy="ddp")).strategy == "ddp"
    with pytest.raises(ConfigError, match="adapters"):
        settle(2, method="lora", parallel=ParallelConfig(strategy="fsdp"))
    with pytest.raises(ConfigError, match="there are 2"):
        settle(2, parallel=ParallelConfig(strategy="single"))


def test_the_plan_is_worded_as_the_planner_words_it():
    line = settle(global_batch_size=8, micro_batch_size=2).plan_line("fp32")
    assert line == "one device, micro-batch 2, accumulation 4, no recomputation, fp32"


def test_what_the_order_of_rows_depends_on_is_kept():
    facts = settle(global_batch_size=8, seed=5).position_facts()
    assert facts == {"sequences": 100, "global_batch_size": 8, "seed": 5}
