"""The norm of all gradients of a model of which no rank holds everything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trainer_core.engine.parallel.mesh import Mesh
from trainer_core.engine.parallel.pieces import splits_in, stands_elsewhere


def copies_of(model: nn.Module, mesh: Mesh) -> list[tuple[nn.Parameter, int]]:
    """Return every trained weight with the number of ranks that hold the same part of it."""
    degrees = mesh.degrees
    same = degrees.replicas if degrees.shards > 1 else degrees.replicas * degrees.context
    splits = splits_in(model)
    ends = set(stands_elsewhere(model))
    tied = degrees.stages > 1 and cast(Any, model).config.get_text_config().tie_word_embeddings
    if tied and mesh.is_first:
        ends.add(id(cast(Any, model).get_input_embeddings().weight))
    return [
        (
            weight,
            same * (1 if name in splits else degrees.tensor) * (2 if id(weight) in ends else 1),
        )
        for name, weight in model.named_parameters()
        if weight.requires_grad
    ]


def norm_over_ranks(weights: Iterable[tuple[nn.Parameter, int]]) -> Tensor:
    """Return the norm of all gradients as an fp32 scalar; every rank of the run calls it.

    Args:
        weights: Of this rank, from `copies_of`.
    """
    by_copies: dict[int, list[Tensor]] = {}
    device = None
    for weight, copies in weights:
        device = weight.device
        if weight.grad is not None:
            local = getattr(weight.grad, "to_local", None)
            by_copies.setdefault(copies, []).append(local() if local else weight.grad)
    total = torch.zeros((), device=device)
    for copies, gradients in by_copies.items():
        norm = torch.nn.utils.get_total_norm(gradients, foreach=True).float()
        total += cast(Any, norm) ** 2 / copies
    dist.all_reduce(total)
    return total.sqrt()
