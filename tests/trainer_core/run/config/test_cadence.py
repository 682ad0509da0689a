"""Evaluations and checkpoints by their cost; warm-up by what the weights are."""

from __future__ import annotations

import msgspec
import pytest

from trainer_core.run.config.cadence import Costs, costs_of, fill_cadence, steps_beside
from trainer_core.run.config.check import check
from trainer_core.run.config.run_config import (
    CheckpointConfig,
    EvalConfig,
    OptimizerConfig,
    RunConfig,
)

FREE = Costs(evaluation_steps=0.0, checkpoint_steps=0.0)
LOADED = RunConfig(model="cerebras-gpt-111m", dataset="rows.jsonl")


@pytest.mark.parametrize(
    ("steps", "every"), [(1, 0), (5, 0), (6, 3), (30, 5), (160, 16), (10_000, 1000)]
)
def test_what_costs_nothing_comes_about_ten_times(steps: int, every: int) -> None:
    config = fill_cadence(LOADED, steps, FREE)
    assert (config.eval.every_steps, config.checkpoint.every_steps) == (every, every)
    assert check(config) == []


@pytest.mark.parametrize("steps", [3, 12, 30, 77, 160, 1000, 9999])
@pytest.mark.parametrize("cost", [0.1, 0.7, 3.0, 10.0, 49.0])
def test_between_start_and_end_no_more_than_a_tenth_is_spent(steps: int, cost: float) -> None:
    costs = Costs(evaluation_steps=cost, checkpoint_steps=cost)
    config = fill_cadence(LOADED, steps, costs)
    every = config.eval.every_steps
    assert every is not None
    assert every == config.checkpoint.every_steps
    between = (steps - 1) // every if every else 0
    assert between * cost <= 0.1 * steps
    assert between <= 9


def test_a_short_run_whose_evaluation_takes_three_steps_has_one_between() -> None:
    """Thirty steps evaluated every three, at three steps each, took twice the training's time."""
    config = fill_cadence(RunConfig(), 30, Costs(evaluation_steps=3.0, checkpoint_steps=0.7))
    assert config.eval.every_steps == 15


@pytest.mark.parametrize(
    ("steps", "loaded", "fresh"),
    [(1, 1, 16), (12, 1, 16), (160, 5, 16), (400, 12, 40), (10_000, 100, 100)],
)
def test_fresh_weights_warm_up_longer(steps: int, loaded: int, fresh: int) -> None:
    assert fill_cadence(LOADED, steps, FREE).optimizer.warmup_steps == loaded
    assert fill_cadence(RunConfig(), steps, FREE).optimizer.warmup_steps == loaded
    scratch = msgspec.structs.replace(LOADED, from_scratch=True)
    assert fill_cadence(scratch, steps, FREE).optimizer.warmup_steps == fresh
    assert check(msgspec.structs.replace(fill_cadence(scratch, steps, FREE), steps=steps)) == []


def test_what_was_said_stays_and_what_is_unknown_stays_open() -> None:
    said = RunConfig(
        optimizer=OptimizerConfig(warmup_steps=0),
        eval=EvalConfig(every_steps=3),
        checkpoint=CheckpointConfig(every_steps=0),
    )
    assert fill_cadence(said, 30, Costs(evaluation_steps=9.0, checkpoint_steps=9.0)) == said
    open_still = fill_cadence(LOADED, 30, Costs())
    assert (open_still.eval.every_steps, open_still.checkpoint.every_steps) == (None, None)


def test_costs_are_those_that_were_measured() -> None:
    """The built-in run: 1,900 tokens a step, an evaluation of 3.2 and a checkpoint of 0.7 steps."""
    costs = costs_of(RunConfig(), eval_tokens=18_500, step_tokens=1_900, card=False)
    assert costs.evaluation_steps == pytest.approx(3.2, abs=0.1)
    assert costs.checkpoint_steps == pytest.approx(0.7, abs=0.05)
    card = costs_of(RunConfig(), eval_tokens=0, step_tokens=32_768, card=True)
    assert card.evaluation_steps == 0
    assert card.checkpoint_steps is not None
    assert 5 < card.checkpoint_steps < 20  # a card trains on meanwhile: a quarter counts
    adapters = RunConfig(method="lora")
    lora = costs_of(adapters, eval_tokens=None, step_tokens=1_900, card=False)
    assert lora == Costs(evaluation_steps=None, checkpoint_steps=0.0)


def test_evaluations_and_checkpoints_are_part_of_the_time() -> None:
    config = RunConfig(eval=EvalConfig(every_steps=10), checkpoint=CheckpointConfig(every_steps=25))
    costs = Costs(evaluation_steps=2.0, checkpoint_steps=1.0)
    # Before, after and at 10, 20 … 90; after the first, the last and 25, 50, 75.
    assert steps_beside(config, 100, costs) == (2 + 9) * 2.0 + (2 + 3) * 1.0
    assert steps_beside(RunConfig(), 100, Costs()) == 0.0
