"""Several ranks as one trainer: the process group, sharding, and the few reductions there are.

The only module that calls `init_process_group`. Gradients are *summed* over ranks by scaling the
loss with the world size, because both DDP and FSDP2 average.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trainer_core.errors import UserError

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup
    from torch.distributed.device_mesh import DeviceMesh

TIMEOUT = timedelta(minutes=30)
"""Longest wait for another rank; first compiles and rank 0's tokenising happen within it."""

LOOPBACK = "lo"


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """Which rank this process is, and of how many."""

    rank: int = 0
    local_rank: int = 0
    size: int = 1
    holds: tuple[int, ...] = ()
    """Ranks that together hold the weights this rank has a part of; empty for all."""

    @property
    def holders(self) -> tuple[int, ...]:
        """Ranks that share out among themselves what is to be stored of their weights."""
        return self.holds or tuple(range(self.size))

    @property
    def leads(self) -> bool:
        """Whether this rank writes events and checkpoints."""
        return self.rank == 0


def read_world() -> World:
    """Return torchrun's variables as a World; one rank where they are absent.

    Raises:
        UserError: If they are there and contradict each other.
    """
    try:
        rank, local_rank, size = (
            int(os.environ.get(name, default))
            for name, default in (("RANK", "0"), ("LOCAL_RANK", "0"), ("WORLD_SIZE", "1"))
        )
    except ValueError as error:
        raise UserError(f"RANK, LOCAL_RANK and WORLD_SIZE must be numbers ({error})") from None
    if not 0 <= rank < size:
        raise UserError(f"RANK={rank} is not below WORLD_SIZE={size}; start every rank with both")
    return World(rank=rank, local_rank=local_rank, size=size)


def join(world: World, device: torch.device) -> None:
    """Form the process group; nothing for a single rank.

    `MOAI_TUI_RENDEZVOUS` names a file all ranks of one host share; without it torchrun's
    `MASTER_ADDR` and `MASTER_PORT` are used. On one host traffic stays on loopback. Beside NCCL
    a gloo group carries what lives in host memory, so flags never wait for a card.

    Raises:
        UserError: If several ranks were started and no meeting point was given.
    """
    if world.size == 1 or dist.is_initialized():
        return
    rendezvous = os.environ.get("MOAI_TUI_RENDEZVOUS")
    if rendezvous:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK)
        os.environ.setdefault("NCCL_SOCKET_IFNAME", LOOPBACK)
        method = f"file://{os.path.abspath(rendezvous)}"
    elif os.environ.get("MASTER_ADDR"):
        method = "env://"
    else:
        raise UserError(
            f"WORLD_SIZE={world.size} but neither MOAI_TUI_RENDEZVOUS nor MASTER_ADDR is set; "
            "start the ranks through moai-tui or torchrun"
        )
    dist.init_process_group(
        backend="cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
        init_method=method,
        rank=world.rank,
        world_size=world.size,
        timeout=TIMEOUT,
        device_id=device if device.type == "cuda" else None,
    )


def leave() -> None:
    """Dissolve the process group, if there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def barrier() -> None:
    """Wait for all ranks; returns at once on a single rank."""
    sum_over_ranks(0)


def all_agree(agreed: bool) -> bool:
    """Whether every rank says yes; every rank must call it."""
    return sum_over_ranks(0 if agreed else 1) == 0


def sum_over_ranks(value: int) -> int:
    """Return the sum of a whole number over all ranks."""
    if not dist.is_initialized():
        return value
    total = torch.tensor(value, dtype=torch.int64)
    dist.all_reduce(total)
    return int(total)


def reduce_sum(values: Tensor) -> Tensor:
    """Sum a tensor over ranks in place, on its own device, without waiting for it; returns it."""
    if dist.is_initialized():
        dist.all_reduce(values)
    return values


def largest_over_ranks(values: Sequence[int]) -> tuple[int, ...]:
    """Return each number's largest over all ranks; one small host-memory reduction."""
    if not dist.is_initialized():
        return tuple(int(value) for value in values)
    largest = torch.tensor([int(value) for value in values], dtype=torch.int64)
    dist.all_reduce(largest, op=dist.ReduceOp.MAX)
    return tuple(largest.tolist())


def shard(
    model: nn.Module, blocks: list[nn.Module], *, mesh: DeviceMesh, compute_dtype: torch.dtype
) -> None:
    """Shard a model in place with FSDP2: one group a block, one for the rest.

    Weights stay in their own dtype; they are gathered and computed with in `compute_dtype`, and
    gradients are reduced in fp32.

    Args:
        model: The whole causal language model, on its device or without weights.
        blocks: Its transformer blocks.
        mesh: Ranks that share one copy; with an outer dimension of copies, HSDP.
        compute_dtype: Type of gathered weights and activations.
    """
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    policy = MixedPrecisionPolicy(param_dtype=compute_dtype, reduce_dtype=torch.float32)
    for block in blocks:
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)


def gather_for(model: nn.Module, method: str) -> None:
    """Gather a sharded model's weights for a method besides `forward` too; give back what is."""
    from torch.distributed.fsdp import register_fsdp_forward_method

    reshard(model)
    register_fsdp_forward_method(model, method)


def reshard(model: nn.Module) -> None:
    """Give back whole weights a forward pass left gathered, so that only shards are seen.

    Without a backward pass behind it, FSDP keeps the root's weights gathered for the next one.
    """
    from torch.distributed.fsdp import FSDPModule

    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def replicate(model: nn.Module, *, device: torch.device, group: ProcessGroup) -> nn.Module:
    """Wrap a model in DDP; a group's gradients are averaged as the backward pass makes them."""
    from torch.nn.parallel import DistributedDataParallel

    indices = [device.index or 0] if device.type == "cuda" else None
    return DistributedDataParallel(
        model,
        device_ids=indices,
        process_group=group,
        gradient_as_bucket_view=True,
        # Buffers are constants of the architecture (rotary frequencies, causal masks).
        broadcast_buffers=False,
    )
