"""Small pictures of one number: a bar, and its recent history as a line of blocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from moai_tui.widgets.lines import Piece

if TYPE_CHECKING:
    from trainer_core.accelerators.base import DeviceSnapshot

LEVELS = "▁▂▃▄▅▆▇"
"""Without the full block: lines above each other would grow together."""

BUSY_PERCENT, HEAVY_PERCENT = 10.0, 80.0
"""Borders between light, moderate and heavy load, as nvitop draws them for utilization."""


def bar(fraction: float | None, width: int, style: str) -> list[Piece]:
    """Return a bar of `width` cells filled to `fraction` (0–1) in halves of a cell."""
    halves = round(max(0.0, min(1.0, fraction or 0.0)) * width * 2)
    whole, half = divmod(halves, 2)
    filled = "━" * whole + "╸" * half
    return [(filled, style), ("─" * (width - len(filled)), "faint")]


def history_line(values: Iterable[float | None], width: int, style: str) -> list[Piece]:
    """Return the newest `width` values (0–100) as blocks, newest on the right."""
    newest = list(values)[-width:]
    blocks = "".join(" " if value is None else _block(value) for value in newest)
    return [(" " * (width - len(newest)), ""), (blocks, style)]


def _block(value: float) -> str:
    return LEVELS[min(len(LEVELS) - 1, max(0, int(value * len(LEVELS) / 100)))]


def load_style(percent: float | None) -> str:
    """Return the style of a load: light, moderate or heavy."""
    if percent is None:
        return "faint"
    if percent < BUSY_PERCENT:
        return "low"
    return "mid" if percent < HEAVY_PERCENT else "high"


class History:
    """The last values of one number; as many as the widest screen shows."""

    def __init__(self, length: int = 240) -> None:
        self.values: deque[float | None] = deque(maxlen=length)

    def add(self, value: float | None) -> None:
        """Add the newest value, or None for an unknown one."""
        self.values.append(value)


class DeviceHistory:
    """What one device has been doing since the dashboard was opened."""

    def __init__(self) -> None:
        self.load, self.memory = History(), History()
        """Both 0–100: utilization, and the share of the memory in use."""
        self.temperature, self.power = History(), History()
        """Degrees Celsius and watts."""

    def add(self, device: DeviceSnapshot) -> None:
        """Take a new reading of the device."""
        used, total = device.memory_used_bytes, device.total_memory_bytes
        self.load.add(device.utilization_percent)
        self.memory.add(100 * used / total if used is not None and total else None)
        self.temperature.add(device.temperature_celsius)
        self.power.add(device.power_watts)
