"""Where a rank stands among the ranks of a plan, and the groups it talks to.

Dimensions from the outermost, whose links are the slowest: stages, copies, holders, tensor.
Copies hold the same weights and average their gradients; holders share one copy in shards.
Ranks that share a sequence read different tokens, so to the weights they are as good as ranks of
different rows: among the holders where there are shards, among the copies where there are none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trainer_core.plan.degrees import Degrees

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup
    from torch.distributed.device_mesh import DeviceMesh


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Coordinates of one rank, each from 0."""

    stage: int
    data: int
    """Which share of a step's rows it reads."""
    context: int
    """Which piece of those rows' tokens."""
    tensor: int


def place_of(rank: int, degrees: Degrees) -> Place:
    """Return where a rank stands; the order is the one `Degrees` describes."""
    rest, tensor = divmod(rank, degrees.tensor)
    rest, context = divmod(rest, degrees.context)
    stage, data = divmod(rest, degrees.data)
    return Place(stage=stage, data=data, context=context, tensor=tensor)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mesh:
    """The groups of one rank. Groups of one rank are None: nothing is to be sent."""

    degrees: Degrees = field(default_factory=Degrees)
    place: Place = field(default_factory=lambda: place_of(0, Degrees()))
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    copies: ProcessGroup | None = None
    holders: DeviceMesh | None = None
    """What FSDP shards over; with copies its outer dimension is theirs."""
    tensor: ProcessGroup | None = None
    context: ProcessGroup | None = None
    onward: ProcessGroup | None = None
    """Stages of one pipeline, for activations."""
    back: ProcessGroup | None = None
    """The same ranks, for gradients: on one group the two directions would wait for each other."""

    @property
    def ranks_of_stage(self) -> tuple[int, ...]:
        """Ranks that hold the blocks this rank holds."""
        count = self.degrees.devices // self.degrees.stages
        return tuple(range(self.place.stage * count, (self.place.stage + 1) * count))

    @property
    def cuts_weights(self) -> bool:
        """Whether no rank shall hold the whole model."""
        degrees = self.degrees
        return degrees.shards > 1 or degrees.tensor > 1 or degrees.stages > 1

    @property
    def passes_alone(self) -> bool:
        """Whether a forward pass waits for no other rank."""
        return not self.cuts_weights and self.context is None

    @property
    def loss_scale(self) -> int:
        """Ranks that DDP or FSDP will average over, though a loss is a sum; a pipeline adds."""
        return 1 if self.degrees.stages > 1 else self.degrees.data * self.degrees.context

    def own_share(self, total: Tensor) -> Tensor:
        """Return what this rank adds to a sum over all ranks that its tensor ranks know alike."""
        return total if self.tensor is None else total / self.degrees.tensor

    @property
    def is_first(self) -> bool:
        """Whether this rank turns tokens into activations."""
        return self.place.stage == 0

    @property
    def is_last(self) -> bool:
        """Whether this rank makes the loss."""
        return self.place.stage == self.degrees.stages - 1

    @property
    def has_whole_rows(self) -> bool:
        """Whether this rank is of the first ranks that hold a whole model between them."""
        return self.place.data == 0 and self.place.context == 0


def make_mesh(degrees: Degrees, rank: int, device: torch.device) -> Mesh:
    """Form the groups of a plan; every rank calls it, after the process group is there."""
    place = place_of(rank, degrees)
    if degrees.devices == 1:
        return Mesh(degrees=degrees, place=place, device=device)
    sharded = degrees.shards > 1
    sizes = {
        "stages": degrees.stages,
        "copies": degrees.replicas if sharded else degrees.replicas * degrees.context,
        "holders": degrees.shards * degrees.context if sharded else 1,
        "tensor": degrees.tensor,
    }
    whole = _mesh(sizes, device)
    context = None
    if degrees.context > 1:
        others = degrees.stages * degrees.data
        parts = {"others": others, "context": degrees.context, "tensor": degrees.tensor}
        context = _mesh(parts, device)["context"].get_group()
    back = None
    if degrees.stages > 1:
        back = _mesh(sizes, device)["stages"].get_group()

    def group(name: str) -> ProcessGroup | None:
        return whole[name].get_group() if sizes[name] > 1 else None

    holders = None
    if sharded:
        names = ("copies", "holders") if sizes["copies"] > 1 else ("holders",)
        holders = whole[names]
    return Mesh(
        degrees=degrees,
        place=place,
        device=device,
        copies=group("copies"),
        holders=holders,
        tensor=group("tensor"),
        context=context,
        onward=group("stages"),
        back=back,
    )


def _mesh(sizes: dict[str, int], device: torch.device) -> DeviceMesh:
    from torch.distributed.device_mesh import init_device_mesh

    kept = {name: size for name, size in sizes.items() if size > 1}
    return init_device_mesh(device.type, tuple(kept.values()), mesh_dim_names=tuple(kept))
