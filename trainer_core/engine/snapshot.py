"""What a checkpoint holds, copied out of a run's way at a step border.

Weights and optimizer states are whole and by name, so a checkpoint moves between numbers of
devices; each rank copies and writes the part of them that it owns.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import psutil
import torch
from torch import Tensor, nn

from trainer_core.accelerators.cgroup import memory_limit_bytes, memory_used_bytes
from trainer_core.engine.distributed import World, sum_over_ranks
from trainer_core.engine.gather import (
    COMPILE_PREFIX,
    is_shared,
    is_split_by_rows,
    plain_module,
    stored_weights,
    whole,
    whole_shape,
)
from trainer_core.engine.host_copy import HostCopies
from trainer_core.engine.parallel.pieces import marked, split_of
from trainer_core.engine.row_exchange import Rows

SMALL_BYTES = 4 << 20
"""Beside the tensors: configuration, tokenizer, random states, the manifest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """This rank's part of a checkpoint, in host memory."""

    step: int
    weights: dict[str, Tensor]
    states: dict[str, Tensor]
    """`<parameter name>|<state name>` → whole tensor."""
    weight_rows: tuple[Rows, ...] = ()
    """Of weights whose rows the ranks share; whoever writes the snapshot brings them together."""
    state_rows: tuple[Rows, ...] = ()
    random: dict[str, Tensor]
    facts: dict[str, Any]
    """Position and whatever else the trainer wants back."""
    adapters: bool
    """Whether only trained weights are stored, beside a base model that is not."""
    bytes: int
    """Of the whole checkpoint, over all ranks."""
    waits: bool = False
    """Whether the tensors are the live ones, so that the run must wait for the writing."""

    @property
    def is_whole(self) -> bool:
        """Whether no rank must hand rows to another; the same on every rank."""
        return not self.weight_rows and not self.state_rows


def take_snapshot(
    step: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    world: World,
    facts: dict[str, Any],
    room_bytes: int | None = None,
    copies: HostCopies | None = None,
) -> Snapshot:
    """Copy what is to be saved; every rank calls it.

    Args:
        step: Optimizer steps done.
        model: As it is saved: plain, DDP's inner one, sharded, or with adapters.
        optimizer: Its states are stored beside the weights.
        world: Ranks that share the work.
        facts: Stored as JSON.
        room_bytes: Host memory that may be filled; where a copy does not fit, none is made.
        copies: Memory for copies from a card; the snapshot before it must be written.
    """
    adapters = hasattr(plain_module(model), "peft_config")
    weights = dict(_weights(model, adapters=adapters))
    wanted = {**weights, **dict(_states(model, optimizer))}
    owners = _owners(wanted, (0,) if adapters else world.holders)
    own_bytes = sum(_bytes(wanted[name]) for name, owner in owners.items() if owner == world.rank)
    split = {name for name, tensor in wanted.items() if is_split_by_rows(tensor, world.size)}
    live = _own_parts(wanted, owners, split, world)
    copies = copies or HostCopies()
    # Rows are held twice for a moment: as this rank's, and as whole tensors of which it owns some.
    copied = sum(map(_bytes, live.values())) + sum(_bytes(wanted[n]) for n in split) // world.size
    waits = room_bytes is not None and copied > room_bytes + copies.held_bytes
    gathered = {name for name, tensor in wanted.items() if is_shared(tensor)} - split
    kept = live if waits else _out_of_the_way(live, gathered, copies)
    rows = [
        Rows(name=name, shape=wanted[name].shape, owner=owners[name], own=kept.pop(name))
        for name in sorted(split)
    ]
    return Snapshot(
        step=step,
        weights={name: tensor for name, tensor in kept.items() if name in weights},
        states={name: tensor for name, tensor in kept.items() if name not in weights},
        weight_rows=tuple(one for one in rows if one.name in weights),
        state_rows=tuple(one for one in rows if one.name not in weights),
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


def _own_parts(
    wanted: dict[str, Tensor], owners: dict[str, int], split: set[str], world: World
) -> dict[str, Tensor]:
    """Return this rank's rows and the whole tensors it owns, still where they are; collective."""
    parts = {}
    for name, tensor in wanted.items():
        if name in split:
            parts[name] = cast(Any, tensor).to_local()
        elif is_shared(tensor) or owners[name] == world.rank:
            part = whole(tensor)
            if owners[name] == world.rank:
                parts[name] = part
    return parts


def _out_of_the_way(
    live: dict[str, Tensor], gathered: set[str], copies: HostCopies
) -> dict[str, Tensor]:
    """Return copies in host memory that no later step changes, in the same order.

    What was gathered whole is nobody else's already.
    """
    on_card = {name: tensor for name, tensor in live.items() if tensor.device.type != "cpu"}
    copied = copies.copy(on_card) if on_card else {}
    return {
        name: copied[name]
        if name in copied
        else (tensor if name in gathered else tensor.clone()).contiguous()
        for name, tensor in live.items()
    }


def _weights(model: nn.Module, *, adapters: bool) -> Iterable[tuple[str, Tensor]]:
    for name, parameter in stored_weights(model):
        if parameter.requires_grad or not adapters:
            yield name, marked(parameter.detach(), split_of(parameter))
    if adapters:
        return
    plain = plain_module(model)
    kept = set(plain.state_dict())
    for name, buffer in plain.named_buffers():
        if name in kept:
            yield name.replace(COMPILE_PREFIX, ""), buffer.detach()


def _states(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterable[tuple[str, Tensor]]:
    for name, parameter in stored_weights(model):
        for key, value in sorted(optimizer.state.get(parameter, {}).items()):
            tensor = value if isinstance(value, Tensor) else torch.tensor(value)
            split = split_of(parameter) if tensor.dim() else None
            yield f"{name}|{key}", marked(tensor.detach(), split)


def _owners(tensors: dict[str, Tensor], ranks: Sequence[int]) -> dict[str, int]:
    """Share tensors out so that every rank has about as many bytes; the same on every rank."""
    load = dict.fromkeys(ranks, 0)
    owners: dict[str, int] = {}
    for name, tensor in tensors.items():
        owners[name] = min(load, key=lambda rank: load[rank])
        load[owners[name]] += _bytes(tensor)
    return owners


def _bytes(tensor: Tensor) -> int:
    return whole_shape(tensor).numel() * tensor.element_size()
