"""Whole tensors out of a model or optimizer, whatever it is sharded over.

Collective where the model is sharded: every rank must call these in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn

from trainer_core.engine.parallel.pieces import (
    WHOLE_MODEL,
    from_stage,
    marked,
    split_of,
    splits_in,
    stands_elsewhere,
)

COMPILE_PREFIX = "_orig_mod."


def plain_module(model: nn.Module) -> nn.Module:
    """Return the module under DistributedDataParallel, or the model itself."""
    inner = getattr(model, "module", None)
    is_wrapped = isinstance(inner, nn.Module) and type(model).__name__ == "DistributedDataParallel"
    return cast(nn.Module, inner) if is_wrapped else model


def named_weights(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield every parameter once under the name a plain, uncompiled model gives it.

    Pieces of weights that tensor ranks share are marked as such.
    """
    plain = plain_module(model)
    splits = splits_in(plain)
    for name, parameter in plain.named_parameters():
        marked(parameter, splits.get(name))
        yield name.replace(COMPILE_PREFIX, ""), parameter


def stored_weights(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield the same without weights that the ranks of another stage have too and store."""
    elsewhere = stands_elsewhere(plain_module(model))
    return (pair for pair in named_weights(model) if id(pair[1]) not in elsewhere)


def is_sharded(tensor: Tensor) -> bool:
    """Whether the tensor is a DTensor; avoids importing its module for plain models."""
    return hasattr(tensor, "full_tensor")


def is_shared(tensor: Tensor) -> bool:
    """Whether several ranks hold parts of the tensor, so that it takes all of them to see it."""
    return is_sharded(tensor) or split_of(tensor) is not None


def whole(tensor: Tensor) -> Tensor:
    """Return the full tensor on every rank (collective where it is shared), detached."""
    split, tensor = split_of(tensor), tensor.detach()
    full = cast(Any, tensor).full_tensor() if is_sharded(tensor) else tensor
    return split.together(full) if split is not None else full


def whole_shape(tensor: Tensor) -> torch.Size:
    """Return the shape of the whole tensor, also where this rank holds only a part."""
    split = split_of(tensor)
    return tensor.shape if split is None else split.whole_shape(tensor.shape)


def gather_weights(model: nn.Module, rank: int) -> dict[str, Tensor]:
    """Return name → whole CPU tensor on rank 0, an empty dict elsewhere.

    Persistent buffers are included; a tied weight stands under its first name only.
    """
    weights: dict[str, Tensor] = {}
    own = dict(named_weights(model))
    stored = getattr(plain_module(model), WHOLE_MODEL, None)
    for name in stored or own:
        full = whole(own[name]) if name in own else None
        if stored is not None:
            full = from_stage(stored[name], full, rank)
        if rank == 0 and full is not None:
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
    if not is_sharded(tensor) or split_of(tensor) is not None:
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
    """Return which rows this rank holds, of the whole tensor or of its piece of it.

    All where it is not sharded; where there are sharded copies, the inner dimension counts.
    """
    if not is_sharded(tensor):
        return slice(0, tensor.shape[0])
    mesh = cast(Any, tensor).device_mesh
    inner = mesh.ndim - 1
    return rows_of(mesh.get_local_rank(inner), mesh.size(inner), tensor.shape[0])


def put_whole(tensor: Tensor, full: Tensor) -> None:
    """Write this rank's part of a whole tensor into its place."""
    split = split_of(tensor)
    part = full if split is None else split.cut(full)
    put_rows(tensor, part[own_rows(tensor)] if part.dim() else part)


def put_rows(tensor: Tensor, rows: Tensor) -> None:
    """Write this rank's rows into its shard, in the shard's own type and place."""
    target = cast(Any, tensor).to_local() if is_sharded(tensor) else tensor
    target.copy_(rows)
