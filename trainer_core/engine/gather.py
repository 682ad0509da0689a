"""Whole tensors out of a model or optimizer, whatever it is sharded over.

Collective where the model is sharded: every rank must call these in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from torch import Tensor, nn

COMPILE_PREFIX = "_orig_mod."


def plain_module(model: nn.Module) -> nn.Module:
    """Return the module under DistributedDataParallel, or the model itself."""
    inner = getattr(model, "module", None)
    is_wrapped = isinstance(inner, nn.Module) and type(model).__name__ == "DistributedDataParallel"
    return cast(nn.Module, inner) if is_wrapped else model


def named_weights(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield every parameter once under the name a plain, uncompiled model gives it."""
    for name, parameter in plain_module(model).named_parameters():
        yield name.replace(COMPILE_PREFIX, ""), parameter


def is_sharded(tensor: Tensor) -> bool:
    """Whether the tensor is a DTensor; avoids importing its module for plain models."""
    return hasattr(tensor, "full_tensor")


def whole(tensor: Tensor) -> Tensor:
    """Return the full tensor on every rank (collective for a DTensor), detached."""
    tensor = tensor.detach()
    return cast(Any, tensor).full_tensor() if is_sharded(tensor) else tensor


def gather_weights(model: nn.Module, rank: int) -> dict[str, Tensor]:
    """Return name → whole CPU tensor on rank 0, an empty dict elsewhere.

    Persistent buffers are included; a tied weight stands under its first name only.
    """
    weights: dict[str, Tensor] = {}
    for name, parameter in named_weights(model):
        full = whole(parameter)
        if rank == 0:
            weights[name] = full.cpu().contiguous()
    if rank == 0:
        plain = plain_module(model)
        kept = set(plain.state_dict())
        for name, buffer in plain.named_buffers():
            if name in kept:
                weights[name.replace(COMPILE_PREFIX, "")] = buffer.detach().cpu().contiguous()
    return weights


def is_split_by_rows(tensor: Tensor, ranks: int) -> bool:
    """Whether each of all ranks holds its share of the tensor's rows, and nothing else of it."""
    if not is_sharded(tensor):
        return False
    sharded = cast(Any, tensor)
    placements = sharded.placements
    return (
        sharded.device_mesh.size() == ranks
        and len(placements) == 1
        and type(placements[0]).__name__ == "Shard"
        and placements[0].dim == 0
    )


def rows_of(rank: int, ranks: int, rows: int) -> slice:
    """Return which rows of a tensor a rank holds; the last ones may hold fewer, or none."""
    share = -(-rows // ranks)
    return slice(min(rows, share * rank), min(rows, share * (rank + 1)))


def own_rows(tensor: Tensor) -> slice:
    """Return which rows of the whole tensor this rank holds; all where it is not sharded."""
    if not is_sharded(tensor):
        return slice(0, tensor.shape[0])
    mesh = cast(Any, tensor).device_mesh
    return rows_of(mesh.get_local_rank(), mesh.size(), tensor.shape[0])


def put_rows(tensor: Tensor, rows: Tensor) -> None:
    """Write this rank's rows into its shard, in the shard's own type and place."""
    target = cast(Any, tensor).to_local() if is_sharded(tensor) else tensor
    target.copy_(rows)
