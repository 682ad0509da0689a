"""Memory and utilization of a run's devices with history, and the peak beside its prediction."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from moai_tui.formatting import bytes_text, percent_text
from moai_tui.widgets.glyphs import Glyphs
from moai_tui.widgets.lines import Line, Piece, fit, line_width
from moai_tui.widgets.painted import Painted, cut, heading
from moai_tui.widgets.run.history_strip import History, strip_text
from moai_tui.widgets.run.run_status import RunFacts
from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.foreign_text import show_line
from trainer_core.run.record.curve import Curve
from trainer_core.run.record.summary import RunSummary

STRIP_WIDTH = (6, 24)
NAME_WIDTH = 13
VALUE_WIDTH = 9

SLOW_CLOCK = 0.9
"""A clock below this share of its peers' median slows the whole run: the others wait."""
HOT_CELSIUS = 10.0
"""So much warmer than its peers' median a device is worth a look."""
SURE_READINGS = 3
"""A device is called slow or hot when so many readings in a row say so."""

MEMORY_LEVELS = ((92.0, "high"), (80.0, "mid"), (0.0, "low"))
"""Percent of memory from which its strip takes that colour; a busy device is no alarm."""


class DevicePanel(Painted):
    """One device in full, several in one line each."""

    def __init__(self, *, id: str | None = None, signs: Glyphs | None = None) -> None:
        super().__init__(id=id, signs=signs)
        self._run: RunSummary | None = None
        self._peak: int | None = None
        self._devices: tuple[DeviceSnapshot, ...] = ()
        self._error: str | None = None
        self._memory: dict[str, History] = {}
        self._busy: dict[str, History] = {}
        self._oddities: dict[str, tuple[str, int]] = {}
        """What is odd about a device, and for how many readings in a row."""

    def show(self, facts: RunFacts) -> None:
        """Take the run's peak memory, and which devices it holds."""
        run = facts.summary
        peak = (
            facts.view.peak_memory_bytes if run.peak_memory_bytes is None else run.peak_memory_bytes
        )
        before = self._run.predicted_memory_bytes if self._run is not None else None
        changed = self._run is None or (peak, run.predicted_memory_bytes) != (self._peak, before)
        self._run, self._peak = run, peak
        if changed:
            self.repaint()

    def take(self, devices: tuple[DeviceSnapshot, ...], error: str | None) -> None:
        """Take one reading; only devices of this run are kept."""
        if self._run is None:
            return
        self._devices, self._error = devices_of(self._run, devices), error
        for device in self._devices:
            memory = self._memory.setdefault(device.uuid, History())
            memory.append(_percent(device.memory_used_bytes, device.total_memory_bytes))
            self._busy.setdefault(device.uuid, History()).append(device.utilization_percent)
            odd = oddity(device, self._devices)
            before, times = self._oddities.get(device.uuid, ("", 0))
            self._oddities[device.uuid] = odd, times + 1 if odd[:4] == before[:4] else 1
        self.repaint()

    def build(self, width: int, height: int) -> Sequence[Line]:
        """Draw the devices, then the peak."""
        devices = self._devices
        lines: list[Line] = [self._heading(width)]
        if self._error is not None:
            lines.append(((cut(show_line(self._error), width), "warn"),))
        if not devices:
            lines.append((("not held now", "muted"),))
        elif len(devices) == 1:
            lines += self._one(devices[0], width)
        else:
            room = max(1, height - len(lines) - 2)
            shown = devices if len(devices) <= room else devices[: room - 1]
            lines += [self._row(device, width) for device in shown]
            if len(shown) < len(devices):
                lines.append(((f"and {len(devices) - len(shown)} more", "muted"),))
        return [*lines, *self._peaks(width)][:height]

    def _heading(self, width: int) -> Line:
        """Draw `Devices ─── 8 devices`, or which of them is odd."""
        count = len(self._devices)
        if count < 2:
            return heading("Device", (), width, self._signs.rule)
        odd = [(device.index, word) for device in self._devices if (word := self._sure(device))]
        right: Piece = (f"{count} devices", "muted")
        if odd:
            more = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
            right = (f"! {odd[0][0]} {odd[0][1]}{more}", "warn")
        return heading("Devices", (right,), width, self._signs.rule)

    def _sure(self, device: DeviceSnapshot) -> str:
        word, times = self._oddities.get(device.uuid, ("", 0))
        return word if times >= SURE_READINGS else ""

    def _one(self, device: DeviceSnapshot, width: int) -> list[Line]:
        used, total = device.memory_used_bytes, device.total_memory_bytes
        share = _percent(used, total)
        whole = f" {self._signs.separator} {bytes_text(total)}" if total else ""
        name = f"{device.index}  {show_line(device.name, 80)}"
        lines: list[Line] = [((cut(name, width - len(whole)), ""), (whole, "muted"))]
        if device.error is not None:
            lines.append(((cut(show_line(device.error), width), "bad"),))
        memory = f"{bytes_text(used)}"
        lines.append(
            self._strip_line(
                "memory", memory, _level(share), self._memory[device.uuid].curve, width
            )
        )
        lines.append(self._strip_line("utilization", percent_text(device.utilization_percent),
                                      "low", self._busy[device.uuid].curve, width))  # fmt: skip
        warmth: list[str] = []
        if device.temperature_celsius is not None:
            warmth.append(f"{device.temperature_celsius:.0f} °C")
        if device.power_watts is not None:
            warmth.append(f"{device.power_watts:.0f} W")
        if warmth:
            lines.append(((" " * NAME_WIDTH, ""), (cut("  ".join(warmth), width), "muted")))
        return lines

    def _strip_line(
        self,
        name: str,
        value: str,
        style: str,
        curve: Curve,
        width: int,
    ) -> Line:
        left: list[Piece] = [(fit(name, NAME_WIDTH), "muted"), (fit(value, VALUE_WIDTH), "strong")]
        room = min(STRIP_WIDTH[1], width - line_width(left) - 1)
        if room < STRIP_WIDTH[0]:
            return left
        strip = strip_text(curve, room, self._signs, 0, 100)
        return (*left, (" ", ""), (strip, style))

    def _row(self, device: DeviceSnapshot, width: int) -> Line:
        """Draw `3  61.2 GiB ▃▄▅▆▆  98% ▇▇▇▇▇`."""
        share = _percent(device.memory_used_bytes, device.total_memory_bytes)
        busy = device.utilization_percent
        if device.error is not None:
            text = cut(show_line(device.error), max(1, width - 4))
            return ((f"{device.index:>3} ", "muted"), (text, "bad"))
        fixed = 4 + 9 + 1 + 1 + 5 + 1
        room = max(0, min(STRIP_WIDTH[1], (width - fixed) // 2))
        memory = strip_text(self._memory[device.uuid].curve, room, self._signs, 0, 100)
        load = strip_text(self._busy[device.uuid].curve, room, self._signs, 0, 100)
        return (
            (
                f"{device.index:>3}{'!' if self._sure(device) else ' '}",
                "warn" if self._sure(device) else "muted",
            ),
            (bytes_text(device.memory_used_bytes).rjust(9), "strong"),
            (f" {memory} ", _level(share)),
            (percent_text(busy).rjust(5), "strong"),
            (f" {load}", "low"),
        )

    def _peaks(self, width: int) -> list[Line]:
        predicted = self._run.predicted_memory_bytes if self._run is not None else None
        lines: list[Line] = [
            ((fit("peak", NAME_WIDTH), "muted"), (bytes_text(self._peak), "strong")),
        ]
        if predicted is not None:
            pieces: list[Piece] = [(fit("predicted", NAME_WIDTH), "muted")]
            pieces.append((bytes_text(predicted), "strong"))
            if self._peak is not None and predicted > 0:
                over = self._peak > predicted
                gap = 100 * (self._peak - predicted) / predicted
                style = "warn" if over and gap > 5 else "muted"
                pieces.append((f"  peak {abs(gap):.0f}% {'above' if over else 'below'}", style))
            lines.append(pieces)
        return lines


def devices_of(run: RunSummary, devices: tuple[DeviceSnapshot, ...]) -> tuple[DeviceSnapshot, ...]:
    """Return the devices a run holds, or held by name when it has ended."""
    named = set(run.devices)
    return tuple(
        device
        for device in devices
        if device.held_by == run.id
        or (device.held_by is None and (device.uuid in named or str(device.index) in named))
    )


def oddity(device: DeviceSnapshot, devices: tuple[DeviceSnapshot, ...]) -> str:
    """Say what is odd about one device of several: `slow: 1,410 MHz, others 1,980`; else "".

    Every step waits for the slowest device, so utilization tells nothing: those that wait
    are as busy as the one they wait for.
    """
    if len(devices) < 2:
        return ""
    clocks = [other.clock_mhz for other in devices if other.clock_mhz]
    clock = device.clock_mhz
    if clock and clocks and clock < SLOW_CLOCK * (usual := statistics.median_high(clocks)):
        return f"slow: {clock:,} MHz, others {usual:,}"
    warmths = [other.temperature_celsius for other in devices if other.temperature_celsius]
    warmth = device.temperature_celsius
    if warmth and warmths and warmth > HOT_CELSIUS + (mild := statistics.median_low(warmths)):
        return f"hot: {warmth:.0f} °C, others {mild:.0f}"
    return ""


def _percent(part: int | None, whole: int | None) -> float | None:
    return None if part is None or not whole else 100 * part / whole


def _level(percent: float | None) -> str:
    if percent is None:
        return "muted"
    return next(style for least, style in MEMORY_LEVELS if percent >= least)
