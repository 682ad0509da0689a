"""The numbers of a run once its data is counted: nothing is left to be chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec
import torch

from trainer_core.errors import ConfigError
from trainer_core.plan.degrees import EXECUTED, Degrees, Strategy, degrees_of
from trainer_core.run.config.run_config import RunConfig

SEQUENCE_LENGTH = 1024
GLOBAL_BATCH_SIZE = 8
LEARNING_RATE = 1e-4
"""For configurations that nobody resolved before start; launch writes better ones."""

CPU_MICRO_BATCH_TOKENS = 8192
CARD_MICRO_BATCH_TOKENS = 16384
"""Tokens of one forward pass where the planner said nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """A configuration with its open numbers filled in."""

    config: RunConfig
    total_steps: int
    sequences: int
    """Packed rows in one epoch."""
    global_batch_size: int
    micro_batch_size: int
    learning_rate: float
    degrees: Degrees
    """How the ranks share the work."""
    recomputation: Literal["none", "blocks"]
    world_size: int
    choices: tuple[str, ...] = ()
    memory_bytes: int | None = None
    """Predicted peak on the fast path, which has a prediction of its own."""

    @property
    def strategy(self) -> Strategy:
        """How the ranks that read different rows share weights."""
        return self.degrees.strategy

    @property
    def gradient_accumulation_steps(self) -> int:
        """Micro-batches of each rank in one optimizer step."""
        return -(-self.global_batch_size // (self.micro_batch_size * self.degrees.data))

    @property
    def eval_every(self) -> int:
        """Steps between evaluations; 0 for only before and at the end."""
        return self.config.eval.every_steps or 0

    @property
    def checkpoint_every(self) -> int:
        """Steps between checkpoints; 0 for only at the end and on stop."""
        return self.config.checkpoint.every_steps or 0

    def position_facts(self) -> dict[str, int]:
        """Return what the order of the rows depends on, by name; stored with checkpoints."""
        return {
            "sequences": self.sequences,
            "global_batch_size": self.global_batch_size,
            "seed": self.config.seed,
        }

    def plan_line(self, precision: str) -> str:
        """Return the plan in one line, as the planner words it."""
        again = "recomputation" if self.recomputation == "blocks" else "no recomputation"
        return (
            f"{self.degrees.words}, micro-batch {self.micro_batch_size}, accumulation "
            f"{self.gradient_accumulation_steps}, {again}, {precision}"
        )


def settle_length(config: RunConfig) -> RunConfig:
    """Fill in the sequence length, which the data is packed for."""
    if config.sequence_length is not None:
        return config
    return msgspec.structs.replace(config, sequence_length=SEQUENCE_LENGTH)


def settle_steps(
    config: RunConfig,
    *,
    sequences: int,
    world_size: int,
    device: torch.device,
    tokens: int | None = None,
    eval_tokens: int = 0,
) -> Settled:
    """Fill in everything that waited for the number of packed rows.

    Args:
        config: With a sequence length.
        sequences: Packed rows in one epoch.
        world_size: Ranks.
        device: Where they compute; decides how large a micro-batch is by default.
        tokens: Of the rows trained on in one epoch; None takes full rows.
        eval_tokens: Of the held-out rows; decides how often they are measured.

    Raises:
        ConfigError: If a number cannot be used with this many ranks.
    """
    from trainer_core.run.config.cadence import costs_of, fill_cadence

    global_batch_size = config.global_batch_size or GLOBAL_BATCH_SIZE
    learning_rate = config.learning_rate or LEARNING_RATE
    steps = _total_steps(config, sequences, global_batch_size)
    config = msgspec.structs.replace(
        config, global_batch_size=global_batch_size, learning_rate=learning_rate
    )
    row_tokens = tokens / sequences if tokens else config.sequence_length or SEQUENCE_LENGTH
    costs = costs_of(
        config,
        eval_tokens=eval_tokens,
        step_tokens=row_tokens * global_batch_size,
        card=device.type == "cuda",
    )
    degrees = _degrees(config, world_size)
    recomputation = config.parallel.recomputation
    return Settled(
        config=fill_cadence(config, steps, costs),
        total_steps=steps,
        sequences=sequences,
        global_batch_size=global_batch_size,
        micro_batch_size=_micro_batch_size(config, global_batch_size, degrees.data, device),
        learning_rate=learning_rate,
        degrees=degrees,
        recomputation="none" if recomputation == "auto" else recomputation,
        world_size=world_size,
    )


def _total_steps(config: RunConfig, sequences: int, global_batch_size: int) -> int:
    from trainer_core.run.config.defaults import steps_from_epochs

    if config.steps is not None:
        return config.steps
    epochs = 1.0 if config.epochs is None else config.epochs
    return steps_from_epochs(epochs, sequences, global_batch_size)


def _degrees(config: RunConfig, world_size: int) -> Degrees:
    asked, parallel = config.parallel.strategy, config.parallel
    # Adapters mix number formats in one block, which FSDP does not take; their states are small.
    if asked == "fsdp" and config.method != "full":
        raise ConfigError(
            "parallel.strategy", asked, "use auto or ddp", "adapters are replicated, not sharded"
        )
    degrees = degrees_of(
        world_size,
        strategy="ddp" if asked == "auto" and config.method != "full" else asked,
        shard=parallel.shard,
        tensor=parallel.tensor,
        pipeline=parallel.pipeline,
        context=parallel.context,
    )
    if degrees.kind not in EXECUTED:
        fix = f"use one of {', '.join(sorted(EXECUTED))}"
        raise ConfigError("parallel", degrees.kind, fix, "this combination is not run yet")
    if config.method != "full" and degrees.devices > degrees.data:
        problem = f"{config.method} runs as copies on every device"
        raise ConfigError("parallel", degrees.words, "leave tensor, pipeline, context out", problem)
    return degrees


def _micro_batch_size(
    config: RunConfig, global_batch_size: int, data: int, device: torch.device
) -> int:
    share = -(-global_batch_size // data)
    if config.micro_batch_size is not None:
        return min(config.micro_batch_size, share)
    tokens = CARD_MICRO_BATCH_TOKENS if device.type == "cuda" else CPU_MICRO_BATCH_TOKENS
    most = max(1, tokens // (config.sequence_length or SEQUENCE_LENGTH))
    # The fewest micro-batches that are small enough, all of one size.
    rounds = -(-share // most)
    return -(-share // rounds)
