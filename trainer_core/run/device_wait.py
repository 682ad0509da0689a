"""A run's turn: choosing idle devices and locking them, or saying for whom it waits."""

from __future__ import annotations

from dataclasses import dataclass

from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.accelerators.binding import Waiting, bind
from trainer_core.accelerators.environment import rank_environment
from trainer_core.accelerators.inventory import read_devices
from trainer_core.accelerators.locks import DeviceLocks
from trainer_core.accelerators.pool import AcceleratorPool
from trainer_core.accelerators.sizes import size_from_text
from trainer_core.run.config import RunConfig

LOST_RACES = 3
"""Another run may take a device between our look and our lock; then we look again."""


@dataclass(frozen=True, slots=True)
class HeldDevices:
    """Devices that are this run's until released."""

    devices: tuple[DeviceSnapshot, ...]
    notes: tuple[str, ...]
    threads: int | None
    _locks: DeviceLocks

    def environments(self) -> tuple[dict[str, str], ...]:
        """Return for each rank what tells it its device and threads."""
        return tuple(
            rank_environment(self.devices, rank, self.threads) for rank in range(len(self.devices))
        )

    def release(self) -> None:
        """Give the devices back."""
        self._locks.release()


@dataclass(frozen=True, slots=True)
class GivenDevices:
    """Devices that another launcher gave to the one rank its variables name."""

    environment: dict[str, str]
    notes: tuple[str, ...] = ()

    def environments(self) -> tuple[dict[str, str], ...]:
        """Return the one rank's variables."""
        return (self.environment,)

    def release(self) -> None:
        """Do nothing: they are the launcher's."""


class DeviceWait:
    """The devices a configuration asks for, tried again until they are free."""

    def __init__(self, config: RunConfig, run_id: str) -> None:
        self._config = config
        self._run_id = run_id

    def try_now(self) -> HeldDevices | str:
        """Take the devices, or say in one sentence whom the run waits for.

        Raises:
            UserError: If this machine can never give what is asked for.
        """
        reason = ""
        for _ in range(LOST_RACES):
            inventory = read_devices()
            count = device_count(self._config, inventory.devices)
            found = bind(inventory, count, self._config.devices)
            if isinstance(found, Waiting):
                return found.reason
            locks = DeviceLocks([device.uuid for device in found.devices], self._run_id)
            holder = locks.acquire()
            if holder is None:
                return HeldDevices(found.devices, found.notes, self._config.worker.threads, locks)
            reason = f"waits for run {holder.run_id} of {holder.user or 'another user'}"
        return reason


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
