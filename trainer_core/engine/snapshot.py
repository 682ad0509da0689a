"""What a checkpoint holds, copied out of a run's way at a step border.

Weights and optimizer states are whole and by name, so a checkpoint moves between numbers of
devices; each rank copies and writes the part of them that it owns.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from trainer_core.accelerators.cgroup import memory_limit_bytes, memory_used_bytes
from trainer_core.engine.distributed import World, sum_over_ranks
from trainer_core.engine.gather import (
    COMPILE_PREFIX,
    is_sharded,
    named_weights,
    plain_module,
    whole,
)

SMALL_BYTES = 4 << 20
"""Beside the tensors: configuration, tokenizer, random states, the manifest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """This rank's part of a checkpoint, in host memory."""

    step: int
    weights: dict[str, Tensor]
    states: dict[str, Tensor]
    """`<parameter name>|<state name>` → whole tensor."""
    random: dict[str, Tensor]
    facts: dict[str, Any]
    """Position and whatever else the trainer wants back."""
    adapters: bool
    """Whether only trained weights are stored, beside a base model that is not."""
    bytes: int
    """Of the whole checkpoint, over all ranks."""
    waits: bool = False
    """Whether the tensors are the live ones, so that the run must wait for the writing."""


def take_snapshot(
    step: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    world: World,
    facts: dict[str, Any],
    room_bytes: int | None = None,
) -> Snapshot:
    """Copy what is to be saved; every rank calls it.

    Args:
        step: Optimizer steps done.
        model: As it is saved: plain, DDP's inner one, sharded, or with adapters.
        optimizer: Its states are stored beside the weights.
        world: Ranks that share the work.
        facts: Stored as JSON.
        room_bytes: Host memory that may be filled; where a copy does not fit, none is made.
    """
    adapters = hasattr(plain_module(model), "peft_config")
    wanted = list(_weights(model, adapters=adapters))
    states = list(_states(model, optimizer))
    owned = _owners([*wanted, *states], 1 if adapters else world.size)
    own_bytes = sum(_bytes(t) for name, t in (*wanted, *states) if owned[name] == world.rank)
    on_host = all(tensor.device.type == "cpu" for _, tensor in wanted)
    waits = on_host and room_bytes is not None and own_bytes > room_bytes
    parts = [
        {name: kept for name, tensor in tensors if (kept := _own(name, tensor, owned, world, waits))
         is not None}
        for tensors in (wanted, states)
    ]  # fmt: skip
    return Snapshot(
        step=step,
        weights=parts[0],
        states=parts[1],
        random=random_states(),
        facts=facts,
        adapters=adapters,
        bytes=sum_over_ranks(own_bytes) + SMALL_BYTES,
        waits=waits,
    )


def host_room_bytes() -> int:
    """Return the host memory one rank may fill with a copy: its share, and a fifth stays free."""
    free: int = psutil.virtual_memory().available
    limit, used = memory_limit_bytes(), memory_used_bytes()
    if limit is not None and used is not None:
        free = min(free, max(0, limit - used))
    ranks = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return int(0.8 * free) // ranks


def random_states() -> dict[str, Tensor]:
    """Return the states of torch's generators of this rank as byte tensors."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def set_random_states(states: dict[str, Tensor]) -> None:
    """Put torch's generators of this rank back."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def _own(
    name: str, tensor: Tensor, owned: dict[str, int], world: World, waits: bool
) -> Tensor | None:
    """Return a tensor whole and out of the run's way on the rank that owns it; collective."""
    full = whole(tensor)
    if owned[name] != world.rank:
        return None
    if full.device.type != "cpu":
        return full.to("cpu").contiguous()
    # What was gathered is nobody else's; anything else the next step would change.
    return full.contiguous() if is_sharded(tensor) or waits else full.clone().contiguous()


def _weights(model: nn.Module, *, adapters: bool) -> Iterable[tuple[str, Tensor]]:
    for name, parameter in named_weights(model):
        if parameter.requires_grad or not adapters:
            yield name, parameter.detach()
    if adapters:
        return
    plain = plain_module(model)
    kept = set(plain.state_dict())
    for name, buffer in plain.named_buffers():
        if name in kept:
            yield name.replace(COMPILE_PREFIX, ""), buffer.detach()


def _states(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterable[tuple[str, Tensor]]:
    for name, parameter in named_weights(model):
        for key, value in sorted(optimizer.state.get(parameter, {}).items()):
            tensor = value if isinstance(value, Tensor) else torch.tensor(value)
            yield f"{name}|{key}", tensor.detach()


def _owners(tensors: list[tuple[str, Tensor]], ranks: int) -> dict[str, int]:
    """Share tensors out so that every rank has about as many bytes; the same on every rank."""
    load = [0] * ranks
    owners: dict[str, int] = {}
    for name, tensor in tensors:
        owners[name] = load.index(min(load))
        load[owners[name]] += _bytes(tensor)
    return owners


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
