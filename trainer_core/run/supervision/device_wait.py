"""A run's turn: choosing idle devices and locking them, or saying for whom it waits."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.accelerators.binding import Waiting, bind, find_device
from trainer_core.accelerators.environment import rank_environment
from trainer_core.accelerators.inventory import Inventory, read_devices
from trainer_core.accelerators.locks import DeviceLocks
from trainer_core.accelerators.pool import AcceleratorPool
from trainer_core.accelerators.sizes import size_from_text
from trainer_core.accelerators.waiting_line import WaitingLine, kept_for_others, place_in_words
from trainer_core.errors import UserError
from trainer_core.run.config.run_config import RunConfig

SHARE_NAMES_VARIABLE = "MOAI_TUI_SHARE_NAMES"
"""Set to 1 by `share.run_names`: other users may read what a run is called."""

LOST_RACES = 3
"""Another run may take a device between our look and our lock; then we look again."""


@dataclass(frozen=True, slots=True)
class HeldDevices:
    """Devices that are this run's until released."""

    devices: tuple[DeviceSnapshot, ...]
    notes: tuple[str, ...]
    threads: int | None
    _locks: DeviceLocks
    _name: str | None = None

    def publish(self, seconds_left: float | None) -> None:
        """Tell everybody on this machine when the devices are likely free again."""
        shared = os.environ.get(SHARE_NAMES_VARIABLE) == "1"
        until = None if seconds_left is None else time.time() + seconds_left
        self._locks.publish(until, self._name if shared else None)

    def environments(self) -> tuple[dict[str, str], ...]:
        """Return for each rank what tells it its device and threads."""
        return tuple(
            rank_environment(self.devices, rank, self.threads) for rank in range(len(self.devices))
        )

    def release(self) -> None:
        """Give the devices back."""
        self._locks.release()


class DeviceWait:
    """The devices a configuration asks for, tried again until they are free and it is its turn.

    One for the whole life of a run: it keeps its place in the line over restarts.
    """

    def __init__(self, config: RunConfig, run_id: str) -> None:
        self._config = config
        self._run_id = run_id
        self._line = WaitingLine(run_id)

    def try_now(self) -> HeldDevices | str:
        """Take the devices, or say in one sentence whom the run waits for and its place.

        Raises:
            UserError: If this machine can never give what is asked for.
        """
        reason = ""
        for _ in range(LOST_RACES):
            inventory = read_devices()
            count = device_count(self._config, inventory.devices)
            self._join(inventory, count)
            ahead = self._line.ahead()
            left = replace(inventory, devices=kept_for_others(inventory.devices, ahead))
            found = bind(left, count, self._config.devices)
            if isinstance(found, Waiting):
                return f"{found.reason}; {place_in_words(ahead)}"
            locks = DeviceLocks([device.uuid for device in found.devices], self._run_id)
            holder = locks.acquire()
            if holder is None:
                self._line.leave()
                threads, name = self._config.worker.threads, self._config.name
                return HeldDevices(found.devices, found.notes, threads, locks, name)
            reason = f"waits for run {holder.run_id} of {holder.user or 'another user'}"
        return reason

    def give_up(self) -> None:
        """Leave the line: the run wants no devices any more."""
        self._line.leave()

    def _join(self, inventory: Inventory, count: int) -> None:
        bind(inventory, count, self._config.devices)  # what can never be had waits for nothing
        named = [find_device(inventory.devices, text) for text in self._config.devices]
        uuids = [device.uuid for device in named or inventory.permitted]
        self._line.join(count, uuids, named=bool(named))


def device_count(config: RunConfig, devices: tuple[DeviceSnapshot, ...]) -> int:
    """Return how many devices a configuration's size has on this machine.

    Raises:
        ConfigError: If the size is unknown.
    """
    if config.size is not None:
        return size_from_text(config.size, devices).devices
    if config.devices:
        return len(config.devices)
    current = AcceleratorPool.load(devices).current
    return current.size.devices if current else 1


def require_same_kind(
    before: Sequence[str], devices: Sequence[DeviceSnapshot], run_id: str
) -> None:
    """Refuse to go on with the processor what was trained on cards, unless somebody asked.

    Args:
        before: Names of the devices of an earlier attempt as the engine gives them: `cpu`, or
            the card's name; empty before the first one.
        devices: What the next attempt would get.
        run_id: For the way out.

    Raises:
        UserError: The cards are gone.
    """
    cards = [name for name in before if name != "cpu"]
    if cards and devices and all(device.kind == "cpu" for device in devices):
        raise UserError(
            f"this run was trained on {cards[0]} and no permitted card is seen now "
            "(`moai-tui doctor` says why); to go on with the processor give the size: "
            f"moai-tui resume {run_id} --size Small"
        )
