"""Everything that is known of one device, in a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moai_tui import formatting
from moai_tui.widgets.lines import Line, Lines, Piece, line_width
from trainer_core.foreign_text import show_line

if TYPE_CHECKING:
    from trainer_core.accelerators.base import DeviceSnapshot

LINES = 3
"""Room it takes, whatever is known, so that nothing below it moves."""


class DeviceDetail(Lines):
    """The device under the cursor; `show_device` takes each new reading."""

    DEFAULT_CSS = f"""
    DeviceDetail {{ height: {LINES}; padding: 0 1; }}
    """

    def show_device(self, device: DeviceSnapshot | None) -> None:
        """Show this device."""
        facts = [] if device is None else device_facts(device)
        self.show_lines(flowing(facts, self.size.width)[:LINES])


def device_facts(device: DeviceSnapshot) -> list[Piece]:
    """Return what is known, most telling first; what the driver does not say is left out."""
    facts: list[Piece] = [(show_line(device.name, 80), "strong")]
    facts += [(reason, "bad") for reason in health_words(device)]
    texts = [
        _figure("clock", device.clock_mhz, "MHz"),
        _figure("memory clock", device.memory_clock_mhz, "MHz"),
        _figure("memory at", device.memory_temperature_celsius, "°C"),
        _figure("memory bus", device.memory_utilization_percent, "%"),
        _figure("power limit", device.power_limit_watts, "W"),
        "no memory errors" if device.ecc_errors == 0 else None,
        holding_words(device),
        f"processors {_ranges(device.cores)}" if device.cores else None,
        show_line(device.location or "", 60) or None,
        show_line(device.uuid, 60),
        f"driver {show_line(device.driver_version, 40)}" if device.driver_version else None,
    ]
    return facts + [(text, "muted") for text in texts if text]


def health_words(device: DeviceSnapshot) -> list[str]:
    """Return what is wrong with a device, a few words each; empty where it is well."""
    words = [show_line(reason, 40) for reason in device.throttle_reasons]
    slowed = [f"slowed: {', '.join(words)}"] if words else []
    count = device.ecc_errors
    errors = [f"{count} memory error{'s' if count > 1 else ''}"] if count else []
    return [*errors, *slowed]


def holding_words(device: DeviceSnapshot) -> str | None:
    """Say who holds it, since when and until about when; None where nobody does."""
    if device.held_by is None:
        return None
    words = f"held by {show_line(device.held_by_user or 'a run', 40)}"
    if device.held_name:
        words += f" ({show_line(device.held_name, 60)})"
    if device.held_since is not None:
        words += f" since {formatting.clock_text(device.held_since)}"
    if device.held_until is not None:
        words += f" until about {formatting.clock_text(device.held_until)}"
    return words


def flowing(facts: list[Piece], width: int) -> list[Line]:
    """Set facts one after the other, a dot between them, on as many lines as they need."""
    lines: list[list[Piece]] = [[]]
    for text, style in facts:
        piece: list[Piece] = [(" · ", "faint"), (text, style)] if lines[-1] else [(text, style)]
        if lines[-1] and line_width([*lines[-1], *piece]) > width:
            lines.append([(text, style)])
        else:
            lines[-1] += piece
    return [line for line in lines if line]


def _figure(name: str, figure: float | None, unit: str) -> str | None:
    gap = "" if unit in ("%", "°C") else " "
    return None if figure is None else f"{name} {figure:.0f}{gap}{unit}"


def _ranges(numbers: tuple[int, ...]) -> str:
    """Write `0-3, 8` for the numbers 0 1 2 3 8."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{p[0]}-{p[-1]}" if len(p) > 1 else str(p[0]) for p in parts)
