"""What one device has been doing: four numbers over time, where the screen is tall enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moai_tui import formatting
from moai_tui.widgets.dashboard.meter import DeviceHistory, History, load_style
from moai_tui.widgets.lines import Line, Piece, fit, line_width
from moai_tui.widgets.painted import Painted

if TYPE_CHECKING:
    from trainer_core.accelerators.base import DeviceSnapshot

LEVELS = "▁▂▃▄▅▆▇█"
GAP = 3
"""Cells between the two charts of a row."""

LEAST_CELSIUS = 100.0
"""Top of a chart of temperatures that stay below."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """One number with its past, from 0 to `top`."""

    name: str
    now: str
    history: History
    top: float
    scale: str
    """The top in words, with its unit."""
    style: str


class DeviceCharts(Painted):
    """Load, memory, temperature and power of the device under the cursor; newest on the right."""

    DEFAULT_CSS = """
    DeviceCharts { padding: 0 1; display: none; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._traces: tuple[Trace, ...] = ()

    def show_device(self, device: DeviceSnapshot | None, past: DeviceHistory | None) -> None:
        """Show this device and its last readings."""
        self._traces = () if device is None or past is None else traces_of(device, past)
        self.repaint()

    def build(self, width: int, height: int) -> Sequence[Line]:
        """Draw two charts beside each other, and two below them."""
        half = (width - GAP) // 2
        rows = height // 2 - 2  # a heading above, a blank line below
        if rows < 1 or not self._traces:
            return []
        lines: list[Line] = []
        for left, right in (self._traces[:2], self._traces[2:]):
            pairs = zip(chart(left, half, rows), chart(right, half, rows), strict=True)
            lines += [[*one, (" " * GAP, ""), *other] for one, other in pairs]
            lines.append([])
        return lines[:-1]


def traces_of(device: DeviceSnapshot, past: DeviceHistory) -> tuple[Trace, ...]:
    """Return what is drawn of a device: load, memory, temperature, power."""
    hottest = _top(past.temperature, LEAST_CELSIUS)
    most = _top(past.power, device.power_limit_watts or 1.0)
    used = formatting.bytes_text(device.memory_used_bytes)
    total = formatting.bytes_text(device.total_memory_bytes)
    return (
        Trace(
            name="Utilization",
            now=formatting.percent_text(device.utilization_percent),
            history=past.load,
            top=100.0,
            scale="100%",
            style=load_style(device.utilization_percent),
        ),
        Trace(
            name="Memory",
            now=f"{used} of {total}",
            history=past.memory,
            top=100.0,
            scale=total,
            style="low",
        ),
        Trace(
            name="Temperature",
            now=_figure(device.temperature_celsius, "°C"),
            history=past.temperature,
            top=hottest,
            scale=_figure(hottest, "°C"),
            style="smooth",
        ),
        Trace(
            name="Power",
            now=_figure(device.power_watts, " W"),
            history=past.power,
            top=most,
            scale=_figure(most, " W"),
            style="eval",
        ),
    )


def chart(trace: Trace, width: int, rows: int) -> list[Line]:
    """Draw a heading and, below it, the newest values as columns of blocks."""
    left: list[Piece] = [(trace.name, "muted"), ("  ", ""), (trace.now, "strong")]
    values = list(trace.history.values)[-width:]
    told = f"0 to {trace.scale}" if any(value is not None for value in values) else ""
    scale = fit(told, max(0, width - line_width(left)), "right")
    lines: list[Line] = [[*left, (scale, "faint")]]
    steps = [_steps(value, trace.top, rows) for value in values]
    for row in range(rows - 1, -1, -1):
        blocks = "".join(_block(step - row * len(LEVELS)) for step in steps)
        text = fit(blocks, width, "right")
        lines.append([(text, trace.style)])
    return lines


def _steps(value: float | None, top: float, rows: int) -> int:
    """Return a column's height in eighths of a row; what is known is never nothing."""
    if value is None:
        return 0
    return max(1, min(rows * len(LEVELS), round(value / top * rows * len(LEVELS))))


def _block(steps: int) -> str:
    return " " if steps <= 0 else LEVELS[min(steps, len(LEVELS)) - 1]


def _top(history: History, least: float) -> float:
    return max([least, *(value for value in history.values if value is not None)])


def _figure(figure: float | None, unit: str) -> str:
    return formatting.UNKNOWN if figure is None else f"{figure:.0f}{unit}"
