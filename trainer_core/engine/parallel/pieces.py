"""Weights of which every tensor rank holds a piece: how a whole one is cut and put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

SPLITS = "moai_splits"
"""Attribute of a module: parameter name → Split. Kept there because FSDP exchanges parameters."""

ELSEWHERE = "moai_elsewhere"
"""Attribute of a module whose weights another stage has too, and stores."""

WHOLE_MODEL = "moai_whole_model"
"""Attribute of a model of which stages hold parts: parameter name → StoredWeight, of all of it."""

SPLIT = "moai_split"
"""Attribute of a tensor that is a piece."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Which piece of a whole tensor this rank holds."""

    dim: int
    """Dimension that is cut."""
    index: int
    count: int
    group: ProcessGroup | None
    """Ranks that hold the pieces, in their order."""
    sections: int = 1
    """Equal sections of that dimension of which each is cut by itself, as GPT-2's queries, keys
    and values in one matrix are."""

    def cut(self, full: Tensor) -> Tensor:
        """Return this rank's piece of a whole tensor, as a copy."""
        parts = _unflatten(full, self.dim, (self.sections, self.count, -1))
        piece = parts.select(self.dim + 1, self.index)
        return piece.flatten(self.dim, self.dim + 1).clone(memory_format=torch.contiguous_format)

    def together(self, piece: Tensor) -> Tensor:
        """Return the whole tensor on every rank that holds a piece; all of them call it."""
        pieces = [torch.empty_like(piece) for _ in range(self.count)]
        dist.all_gather(pieces, piece.contiguous(), group=self.group)
        sections = [_unflatten(one, self.dim, (self.sections, -1)) for one in pieces]
        return torch.stack(sections, self.dim + 1).flatten(self.dim, self.dim + 2)

    def whole_shape(self, shape: torch.Size) -> torch.Size:
        """Return the shape of the whole tensor from a piece's."""
        return torch.Size(
            size * self.count if dim == self.dim else size for dim, size in enumerate(shape)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredWeight:
    """A weight of the whole model, for whoever collects it."""

    keeper: int
    """First rank of the stage that stores it."""
    shape: torch.Size
    dtype: torch.dtype


def from_stage(weight: StoredWeight, full: Tensor | None, rank: int) -> Tensor | None:
    """Bring a whole weight from the stage that has it to rank 0; every rank calls it.

    Args:
        weight: Which one.
        full: The tensor, on the ranks of its stage.
        rank: Of this process.
    """
    if weight.keeper and rank == weight.keeper and full is not None:
        dist.send(full.contiguous(), 0)
    if weight.keeper and rank == 0:
        full = torch.empty(weight.shape, dtype=weight.dtype, device=_device())
        dist.recv(full, weight.keeper)
    return full if rank == 0 else None


def cut_parameter(module: nn.Module, name: str, split: Split) -> None:
    """Put this rank's piece in the place of a module's whole parameter, weightless or not."""
    parameter = cast(nn.Parameter, getattr(module, name))
    piece = nn.Parameter(split.cut(parameter.detach()), requires_grad=parameter.requires_grad)
    setattr(module, name, piece)
    setattr(module, SPLITS, {**getattr(module, SPLITS, {}), name: split})


def splits_in(model: nn.Module) -> Mapping[str, Split]:
    """Return parameter name → Split of every piece in a model."""
    return dict(_found(model))


def split_of(tensor: Tensor) -> Split | None:
    """Return of what a tensor is a piece; None for one that is whole, or sharded whole."""
    return cast(Split | None, getattr(tensor, SPLIT, None))


def marked(tensor: Tensor, split: Split | None) -> Tensor:
    """Return the tensor with a note of what it is a piece of."""
    if split is not None:
        setattr(tensor, SPLIT, split)
    return tensor


def stands_elsewhere(model: nn.Module) -> frozenset[int]:
    """Return the ids of the weights that another stage has too and stores."""
    holders = (module for module in model.modules() if hasattr(module, ELSEWHERE))
    return frozenset(id(weight) for module in holders for weight in module.parameters())


def _unflatten(tensor: Tensor, dim: int, sizes: tuple[int, ...]) -> Tensor:
    return cast(Tensor, cast(Any, tensor).unflatten(dim, sizes))


def _device() -> torch.device:
    cuda = torch.cuda.is_available() and dist.get_backend() != "gloo"
    return torch.device("cuda", torch.cuda.current_device()) if cuda else torch.device("cpu")


def _found(model: nn.Module) -> Iterator[tuple[str, Split]]:
    for path, module in model.named_modules():
        splits: dict[str, Any] = getattr(module, SPLITS, {})
        for name, split in splits.items():
            yield f"{path}.{name}" if path else name, split
