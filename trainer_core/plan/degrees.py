"""How many ways each kind of parallelism splits a run, and which splits there can be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from trainer_core.errors import ConfigError

if TYPE_CHECKING:
    from trainer_core.plan.types import ModelShape

Strategy = Literal["single", "ddp", "fsdp"]
"""How the ranks that read different rows share weights: not at all, as copies, or in shards."""

EXECUTED = frozenset(
    (
        *("single", "ddp", "fsdp", "hsdp"),
        *("tensor", "tensor+ddp", "tensor+fsdp", "tensor+context", "tensor+pipeline"),
        *("pipeline", "pipeline+ddp"),
        *("context", "context+ddp", "context+fsdp"),
    )
)
"""Kinds of plan (`Degrees.kind`) that the engine runs; others are planned for described machines
only. A kind is added together with the test that shows its losses equal one rank's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Degrees:
    """How many ranks share each part of the work; their product is the number of devices.

    Ranks are numbered with stages outermost, then replicas, shards, context and tensor, so that
    those who talk most are neighbours in one node:
    `rank = (((stage * replicas + replica) * shards + shard) * context + part) * tensor + slice`.
    """

    replicas: int = 1
    """Whole copies of the model, each perhaps sharded."""
    shards: int = 1
    """Ranks over which one copy's weights, gradients and states are cut (FSDP)."""
    tensor: int = 1
    """Ranks that share every matrix product."""
    stages: int = 1
    """Groups of successive blocks through which micro-batches travel."""
    context: int = 1
    """Ranks that share one sequence."""

    @property
    def devices(self) -> int:
        """Devices there must be."""
        return self.data * self.tensor * self.stages * self.context

    @property
    def data(self) -> int:
        """Groups of ranks that read different rows."""
        return self.replicas * self.shards

    @property
    def strategy(self) -> Strategy:
        """How the ranks of different rows share weights."""
        if self.shards > 1:
            return "fsdp"
        return "ddp" if self.replicas > 1 else "single"

    @property
    def splits_model(self) -> bool:
        """Whether ranks share products, blocks or a sequence, beyond rows and shards."""
        return self.tensor * self.stages * self.context > 1

    @property
    def kind(self) -> str:
        """Name of what runs, as `EXECUTED` lists it, e.g. `hsdp`, `tensor` or `pipeline+ddp`."""
        parts = [
            word
            for word, degree in (
                ("tensor", self.tensor),
                ("pipeline", self.stages),
                ("context", self.context),
            )
            if degree > 1
        ]
        if self.shards > 1:
            parts.append("hsdp" if self.replicas > 1 else "fsdp")
        elif self.replicas > 1:
            parts.append("ddp")
        return "+".join(parts) or "single"

    @property
    def words(self) -> str:
        """What it is in words, with its numbers where they say more than the devices do."""
        parts = []
        if self.stages > 1:
            parts.append(f"{self.stages} pipeline stages")
        if self.tensor > 1:
            parts.append(f"tensor parallel over {self.tensor}")
        if self.context > 1:
            parts.append(f"context parallel over {self.context}")
        if self.shards > 1 and self.replicas > 1:
            parts.append(f"{self.replicas} copies, each sharded over {self.shards}")
        elif self.shards > 1:
            parts.append(f"sharded over {self.shards}" if parts else "sharded data parallel")
        elif self.replicas > 1:
            parts.append(f"{self.replicas} copies" if parts else "data parallel")
        return " × ".join(parts) or "one device"


def degrees_of(
    devices: int,
    *,
    strategy: Literal["auto", "single", "ddp", "fsdp"] = "auto",
    shard: int | None = None,
    tensor: int | None = None,
    pipeline: int | None = None,
    context: int | None = None,
) -> Degrees:
    """Return the degrees that the section `parallel` of a configuration names.

    Args:
        devices: Ranks there are.
        strategy: `auto` shards where a shard is named, or where several ranks read rows.
        shard: Ranks that share one copy; None takes all that read rows, with `ddp` one.
        tensor: Ranks that share every product; None is one, as for the next two.
        pipeline: Stages.
        context: Ranks that share a sequence.

    Raises:
        ConfigError: If they do not multiply to that many devices; names the nearest that do.
    """
    asked = {"tensor": tensor or 1, "pipeline": pipeline or 1, "context": context or 1}
    inner = math.prod(asked.values())
    data, left_over = divmod(devices, inner)
    if left_over or not data:
        name, degree = max(asked.items(), key=lambda pair: pair[1])
        fix = f"use {nearest_divisor(degree, devices)}"
        problem = f"ranks come in groups of {inner}, which {devices} devices do not fill"
        raise ConfigError(f"parallel.{name}", degree, fix, problem)
    if strategy == "single" and data > 1:
        problem = f"'single' uses one device, there are {devices}"
        raise ConfigError("parallel.strategy", strategy, "write auto, ddp or fsdp", problem)
    shards = shard or (1 if strategy in ("ddp", "single") else data)
    if data % shards:
        problem = f"{data} ranks read rows, which {shards} do not divide"
        fix = f"use {nearest_divisor(shards, data)}"
        raise ConfigError("parallel.shard", shards, fix, problem)
    if strategy == "ddp" and shards > 1:
        problem = "'ddp' keeps whole copies"
        raise ConfigError("parallel.shard", shards, "write strategy: fsdp", problem)
    return Degrees(
        replicas=data // shards,
        shards=shards,
        tensor=asked["tensor"],
        stages=asked["pipeline"],
        context=asked["context"],
    )


def shape_problem(degrees: Degrees, shape: ModelShape, sequence_length: int) -> ConfigError | None:
    """Return why a model cannot be split that way; None where it can."""
    tensor = degrees.tensor
    for what, count in (
        ("attention heads", shape.heads),
        ("key and value heads", shape.key_value_heads),
        ("feed-forward units", shape.feed_forward_width),
    ):
        if count % tensor:
            problem = f"{count} {what} cannot be shared by {tensor} ranks"
            fix = f"use {nearest_divisor(tensor, count)}"
            return ConfigError("parallel.tensor", tensor, fix, problem)
    if degrees.stages > shape.layers:
        problem = f"the model has {shape.layers} blocks"
        fix = f"use {shape.layers} or less"
        return ConfigError("parallel.pipeline", degrees.stages, fix, problem)
    if sequence_length % degrees.context:
        problem = f"{sequence_length} tokens cannot be cut into {degrees.context} equal parts"
        fix = f"use {nearest_divisor(degrees.context, sequence_length)}"
        return ConfigError("parallel.context", degrees.context, fix, problem)
    return None


@cache
def divisors(number: int) -> tuple[int, ...]:
    """Return every divisor, smallest first."""
    return tuple(part for part in range(1, number + 1) if number % part == 0)


def nearest_divisor(wanted: int, number: int) -> int:
    """Return the divisor of a number that is nearest to the one wanted, the smaller of two."""
    return min(divisors(max(1, number)), key=lambda part: (abs(part - wanted), part))
