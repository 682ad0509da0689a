"""How often a run evaluates and saves, and how long its rate rises: by what each of them costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

from trainer_core.run.config.run_config import RunConfig

WARMUP_SHARE, FRESH_WARMUP_SHARE, WARMUP_MAX = 0.03, 0.1, 100
FRESH_WARMUP_LEAST = 16
"""Steps that fresh weights need before the full rate: with 5 the loss of the built-in run jumps
and rounding grows to 4e-5 between one rank and two; with 16 it stays at 1e-6 (measured on two
Zen 3 cores, torch 2.13, 24 November 2026)."""

CADENCE, CADENCE_LEAST = 10, 5
"""Evaluations and checkpoints of a run at most, about, and the fewest steps between two of them."""

SHARE = 0.1
"""Evaluations between start and end take at most about this share of the training time, and so
do checkpoints."""

FORWARD_SHARE = 1 / 3
"""Of a training step's time: a backward pass takes two forward passes' products."""

SAVED_BYTES_PER_PARAMETER = 12
"""Weights and both moments in fp32."""

SAVE_BYTES_PER_SECOND = {"cpu": 150e6, "card": 400e6}
"""Written, flushed, hashed and read back. 150 MB/s measured on two Zen 3 cores and a local disk."""

SAVE_COUNTS = {"cpu": 1.0, "card": 0.25}
"""How much of a save's time counts. A card trains on while host cores that have nothing else to do
write; what is left is that saves must not come back to back. On a CPU they take the cores."""

STEP_FLOPS = {"cpu": 1e11, "card": 3e14}
"""Reached in a step. 1e11 measured on two Zen 3 cores; a card is taken for a fast one, because too
few checkpoints cost minutes after a crash and too many cost a share of every run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """What one evaluation and one checkpoint take, in optimizer steps; None where unknown."""

    evaluation_steps: float | None = None
    checkpoint_steps: float | None = None


def costs_of(
    config: RunConfig,
    *,
    eval_tokens: float | None,
    step_tokens: float,
    card: bool,
) -> Costs:
    """Return the costs of a run.

    Args:
        config: Its method decides what a checkpoint holds.
        eval_tokens: Tokens of the held-out rows; None where they are not counted.
        step_tokens: Tokens of one optimizer step, over all devices.
        card: Whether it runs on a card or on a CPU.
    """
    evaluation = None
    if eval_tokens is not None:
        evaluation = FORWARD_SHARE * eval_tokens / max(1.0, step_tokens)
    if config.method != "full":
        return Costs(evaluation_steps=evaluation, checkpoint_steps=0.0)
    kind = "card" if card else "cpu"
    # Both the bytes of a checkpoint and the operations of a step grow with the parameters.
    save_seconds = SAVE_COUNTS[kind] * SAVED_BYTES_PER_PARAMETER / SAVE_BYTES_PER_SECOND[kind]
    step_seconds = 6 * max(1.0, step_tokens) / STEP_FLOPS[kind]
    return Costs(evaluation_steps=evaluation, checkpoint_steps=save_seconds / step_seconds)


def fill_cadence(config: RunConfig, steps: int, costs: Costs) -> RunConfig:
    """Fill warm-up, evaluation and checkpoint cadence for a known number of optimizer steps.

    What is set already stays; what depends on an unknown cost stays open.
    """
    optimizer, evaluation, checkpoint = config.optimizer, config.eval, config.checkpoint
    if optimizer.warmup_steps is None:
        warmup = _warmup_steps(config, steps)
        optimizer = msgspec.structs.replace(optimizer, warmup_steps=warmup)
    if evaluation.every_steps is None and costs.evaluation_steps is not None:
        every = _every_steps(steps, costs.evaluation_steps)
        evaluation = msgspec.structs.replace(evaluation, every_steps=every)
    if checkpoint.every_steps is None and costs.checkpoint_steps is not None:
        every = _every_steps(steps, costs.checkpoint_steps)
        checkpoint = msgspec.structs.replace(checkpoint, every_steps=every)
    return msgspec.structs.replace(
        config, optimizer=optimizer, eval=evaluation, checkpoint=checkpoint
    )


def steps_beside(config: RunConfig, steps: int, costs: Costs) -> float:
    """Return what a run's evaluations and checkpoints take, in optimizer steps.

    Held-out rows are measured before the first step and after the last, checkpoints are written
    after the first and after the last, and both at their cadence between.

    Args:
        config: With its cadence filled; what is open counts as never between.
        steps: Of the run.
        costs: Unknown ones count as nothing.
    """
    between = max(0, steps - 1)
    evals = 2 + (between // config.eval.every_steps if config.eval.every_steps else 0)
    saves = 2 + (between // config.checkpoint.every_steps if config.checkpoint.every_steps else 0)
    return evals * (costs.evaluation_steps or 0.0) + saves * (costs.checkpoint_steps or 0.0)


def is_fresh(config: RunConfig) -> bool:
    """Whether a run begins with fresh weights."""
    return config.from_scratch


def _warmup_steps(config: RunConfig, steps: int) -> int:
    if is_fresh(config):
        # Longer than a very short run, whose rate then rises to its end and stays low: at the full
        # rate after three steps the loss is above its start.
        wanted = max(FRESH_WARMUP_LEAST, math.ceil(FRESH_WARMUP_SHARE * steps))
        return min(wanted, WARMUP_MAX)
    return min(math.ceil(WARMUP_SHARE * steps), WARMUP_MAX, steps)


def _every_steps(steps: int, cost: float) -> int:
    """Return the steps between two of them; 0 where start and end are all that is affordable."""
    most = min(CADENCE - 1, (steps - 1) // CADENCE_LEAST)
    if cost > 0:
        most = min(most, math.floor(SHARE * steps / cost))
    return math.ceil(steps / (most + 1)) if most > 0 else 0
