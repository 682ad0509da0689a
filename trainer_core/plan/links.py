"""How fast ranks that must talk to each other can: by where their group lies on the machine."""

from __future__ import annotations

from dataclasses import dataclass

from trainer_core.plan.degrees import Degrees
from trainer_core.plan.types import Hardware

LATENCY_SECONDS = {"cpu": 150e-6, "card": 12e-6}
"""One rank's part of one collective inside a machine, whatever its size."""

NODE_LATENCY_SECONDS = 30e-6
"""The same where it crosses a border between nodes."""


@dataclass(frozen=True, slots=True)
class Group:
    """Ranks that exchange tensors, and the slowest way between two of them."""

    ranks: int
    bandwidth: float | None
    """Bytes per second through each rank; None where it is not known, which takes no time."""
    latency: float

    def gather_seconds(self, whole_bytes: float) -> float:
        """Return the time until each rank has all parts, or its part of the sum of all."""
        return self._seconds(whole_bytes * (self.ranks - 1) / self.ranks)

    def sum_seconds(self, each_bytes: float) -> float:
        """Return the time until each rank has the sum of what all of them hold."""
        return 2 * self.gather_seconds(each_bytes)

    def send_seconds(self, sent_bytes: float) -> float:
        """Return the time one rank needs to hand something to the next."""
        return self._seconds(sent_bytes) / max(1, self.ranks - 1)

    def _seconds(self, moved_bytes: float) -> float:
        if self.ranks == 1 or self.bandwidth is None:
            return 0.0
        # Rings of many ranks are trees in practice: latency grows with the logarithm.
        hops = self.ranks - 1 if self.ranks <= 8 else 4 * (self.ranks.bit_length() - 1)
        return moved_bytes / self.bandwidth + hops * self.latency


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of one split of the devices."""

    tensor: Group
    context: Group
    shards: Group
    """Ranks that cut one copy, those that share rows among them."""
    replicas: Group
    copies: Group
    """Ranks with whole copies: replicas and those that share rows."""
    stages: Group


def groups_of(hardware: Hardware, degrees: Degrees) -> Groups:
    """Lay the groups of a split over a machine, ranks numbered as `Degrees` says."""
    context = degrees.context
    inner = degrees.tensor * context
    return Groups(
        tensor=_group(hardware, degrees.tensor, 1),
        context=_group(hardware, context, degrees.tensor),
        shards=_group(hardware, degrees.shards * context, degrees.tensor),
        replicas=_group(hardware, degrees.replicas, inner * degrees.shards),
        copies=_group(hardware, degrees.replicas * context, degrees.tensor),
        stages=_group(hardware, degrees.stages, inner * degrees.data),
    )


def _group(hardware: Hardware, ranks: int, stride: int) -> Group:
    """Return a group of ranks that stand some numbers apart."""
    per_node = hardware.devices_per_node
    latency = LATENCY_SECONDS["cpu" if hardware.kind == "cpu" else "card"]
    bandwidth = hardware.link_bandwidth
    if per_node is None or hardware.node_link_bandwidth is None or ranks * stride <= per_node:
        return Group(ranks, bandwidth, latency)
    # The members of one node send through its port in turn, and so do the node's other groups.
    members = max(1, per_node // stride)
    across = hardware.node_link_bandwidth * members
    return Group(
        ranks, across if bandwidth is None else min(bandwidth, across), NODE_LATENCY_SECONDS
    )
