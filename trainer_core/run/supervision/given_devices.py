"""Devices that another launcher gave to its ranks: locked for the machine all the same.

torchrun and Slurm know nothing of our runs, so the first rank of each node locks what the ranks
of its node will use, all of it or none; the node's other ranks go on once their run holds it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace

from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.accelerators.binding import Waiting, bind
from trainer_core.accelerators.inventory import read_devices
from trainer_core.accelerators.locks import DeviceLocks, read_holders
from trainer_core.accelerators.waiting_line import WaitingLine, kept_for_others, place_in_words
from trainer_core.run.supervision.joined import Membership

LOST_RACES = 3
"""Another run may take a device between our look and our lock; then we look again."""

FIRST_RANK_SECONDS = 300.0
"""How long a rank leaves the locking to the first one of its node; then it locks its own device."""


@dataclass(frozen=True, slots=True)
class GivenDevices:
    """The device of the one rank that a launcher's variables name."""

    environment: dict[str, str]
    devices: tuple[DeviceSnapshot, ...] = ()
    """What is locked here: on the first rank of a node everything its ranks use."""
    notes: tuple[str, ...] = ()
    _locks: DeviceLocks = field(default_factory=lambda: DeviceLocks((), ""))

    def environments(self) -> tuple[dict[str, str], ...]:
        """Return the one rank's variables."""
        return (self.environment,)

    def publish(self, seconds_left: float | None) -> None:
        """Tell everybody on this machine when the devices are likely free again."""
        self._locks.publish(None if seconds_left is None else time.time() + seconds_left)

    def release(self) -> None:
        """Free the locks."""
        self._locks.release()


class GivenWait:
    """Waits until no other run holds what the launcher gave."""

    def __init__(self, member: Membership, run_id: str) -> None:
        self._member = member
        self._run_id = run_id
        self._line = WaitingLine(run_id)
        self._began = time.monotonic()

    def try_now(self) -> GivenDevices | str:
        """Lock the devices, or say in one sentence whom this rank waits for."""
        reason = ""
        for _ in range(LOST_RACES):
            inventory = read_devices()
            seen = _seen(inventory.permitted)
            mine = _of_node(self._member, seen)
            uuids = [device.uuid for device in mine]
            ours = {u for u, holder in read_holders(uuids).items() if holder.run_id == self._run_id}
            free = [uuid for uuid in uuids if uuid not in ours]
            if free and len(seen) > 1 and self._first_may_come():
                return "waits for the first rank of this node"
            self._line.join(len(free), free, named=True)
            ahead = self._line.ahead()
            left = replace(inventory, devices=kept_for_others(inventory.devices, ahead))
            found = bind(left, 0, tuple(free)) if free else None
            if isinstance(found, Waiting):
                return f"{found.reason}; {place_in_words(ahead)}"
            locks = DeviceLocks(free, self._run_id)
            holder = locks.acquire()
            if holder is None:
                self._line.leave()
                return GivenDevices(self._member.environment, mine, inventory.notes, locks)
            reason = f"waits for run {holder.run_id} of {holder.user or 'another user'}"
        return reason

    def _first_may_come(self) -> bool:
        """Whether the first rank of this node knows of this one and may yet lock for it."""
        follows = 0 < self._member.local_rank < self._member.local_world_size
        return follows and time.monotonic() - self._began < FIRST_RANK_SECONDS

    def give_up(self) -> None:
        """Leave the line: the run wants no devices any more."""
        self._line.leave()


def _seen(permitted: tuple[DeviceSnapshot, ...]) -> tuple[DeviceSnapshot, ...]:
    """Return what ranks choose from, as the engine does: cards where there are any."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return tuple(device for device in permitted if device.kind == "cpu")
    return tuple(device for device in permitted if device.kind != "cpu") or permitted


def _of_node(member: Membership, seen: tuple[DeviceSnapshot, ...]) -> tuple[DeviceSnapshot, ...]:
    """Return the rank's device; for the first rank of a node those of all its ranks."""
    if member.local_rank == 0:
        return seen[: max(1, member.local_world_size)]
    # A launcher that shows each rank its own card alone leaves one to be seen, number 0.
    return (seen[member.local_rank] if len(seen) > member.local_rank else seen[0],) if seen else ()
