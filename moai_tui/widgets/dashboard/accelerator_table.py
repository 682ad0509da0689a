"""Accelerators in the platform's columns, opened to the physical devices behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.events import Resize

from moai_tui import formatting
from moai_tui.widgets.dashboard.device_line import IDLE, YOU, device_line, holder_word
from moai_tui.widgets.dashboard.meter import DeviceHistory, load_style
from moai_tui.widgets.lines import Line, Lines, fit
from trainer_core.foreign_text import show_line

if TYPE_CHECKING:
    from trainer_core.accelerators.base import DeviceSnapshot
    from trainer_core.accelerators.occupancy import AcceleratorRow

WIDEST_GAP = 6
"""Cells between two columns at most: wider, the eye loses the line."""

HEADS = ("Device", "Name", "Model", "Memory Usage", "Total Memory", "Utilization")
"""The platform's columns, in its words."""


class AcceleratorTable(Lines):
    """The user's accelerators; below them, where there is more than one device, the devices.

    `show_reading` takes each new reading; only lines that say something new are painted.
    """

    DEFAULT_CSS = """
    AcceleratorTable { height: auto; padding: 0 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__([[("reading accelerators …", "muted")]], id=id)
        self._rows: tuple[AcceleratorRow, ...] = ()
        self._devices: tuple[DeviceSnapshot, ...] = ()
        self._own_runs: dict[str, str] = {}
        self._note: str | None = None
        self._open: bool | None = None
        self._room = 8
        self._histories: dict[str, DeviceHistory] = {}

    @property
    def opened(self) -> bool:
        """Whether the physical devices are shown; by itself where there is more than one."""
        return len(self._devices) > 1 if self._open is None else self._open

    @property
    def histories(self) -> dict[str, DeviceHistory]:
        """The last readings of each device, by UUID."""
        return self._histories

    def show_reading(
        self,
        rows: Sequence[AcceleratorRow],
        devices: Sequence[DeviceSnapshot],
        note: str | None = None,
    ) -> None:
        """Show a new reading; `note` is one sentence below the table."""
        self._rows, self._devices, self._note = tuple(rows), tuple(devices), note
        for device in self._devices:
            self._histories.setdefault(device.uuid, DeviceHistory()).add(device)
        self._draw()

    def know_runs(self, names: dict[str, str]) -> None:
        """Take the titles of this user's runs by id, to say who holds a device."""
        if names != self._own_runs:
            self._own_runs = names
            self._draw()

    def set_room(self, lines: int) -> None:
        """Say how many lines of devices there is room for; the rest is told as a number."""
        if lines != self._room:
            self._room = max(0, lines)
            self._draw()

    def toggle(self) -> None:
        """Open or close the rows of the physical devices."""
        self._open = not self.opened
        self._draw()

    def on_resize(self, event: Resize) -> None:
        """Fit the columns again."""
        self._draw()

    def _draw(self) -> None:
        width = self.size.width
        if not width or (not self._rows and not self._devices and self._note is None):
            return
        lines: list[Line] = []
        if self._rows:
            lines = [
                platform_head(width, self._rows),
                [("─" * width, "faint")],
                *(platform_row(row, width, self._rows) for row in self._rows),
            ]
        if len(self._devices) > 1:
            lines += [[], sum_line(self._devices, self._own_runs)]
        if self.opened and self._devices:
            lines += self._device_lines(width)
        if self._note:
            lines.append([(fit(self._note, width), "warn")])
        self.show_lines(lines)

    def _device_lines(self, width: int) -> list[Line]:
        # With little room, devices that somebody holds come before idle ones.
        telling = sorted(self._devices, key=lambda device: holder_word(device, {}) == "idle")
        kept = {device.uuid for device in telling[: self._room]}
        shown = [device for device in self._devices if device.uuid in kept]
        named = len({device.name for device in self._devices}) > 1
        lines: list[Line] = [
            device_line(
                device, self._histories[device.uuid].load, self._own_runs, width, named=named
            )
            for device in shown
        ]
        left = len(self._devices) - len(shown)
        if left:
            lines.append([(f"      and {left} more; `moai-tui smi -p` lists them all", "muted")])
        return lines


def platform_head(width: int, rows: Sequence[AcceleratorRow]) -> Line:
    """Return the platform's column heads."""
    return [("".join(_split(HEADS, width, rows)), "muted")]


def platform_row(row: AcceleratorRow, width: int, rows: Sequence[AcceleratorRow]) -> Line:
    """Return one accelerator; a row that nobody holds has no figures, and shows `-`."""
    used, total = _mib(row.memory_used_bytes), _mib(row.total_memory_bytes)
    load = _percent(row.utilization_percent)
    star = "*" if row.current else " "
    name, model = show_line(row.name, 100), show_line(row.model, 100)
    columns = _split((f"{star} {row.index}", name, model, used, total, load), width, rows)
    figures = "" if row.held else "faint"
    styles = (
        "accent" if row.current else "",
        "",
        "strong" if row.current else "",
        figures,
        figures,
        load_style(row.utilization_percent) if row.held else "faint",
    )
    return list(zip(columns, styles, strict=True))


def sum_line(devices: Sequence[DeviceSnapshot], own_runs: dict[str, str]) -> Line:
    """Return the devices in one line: `8 devices: 3 idle, 4 bob, 1 you`."""
    holders: Counter[str] = Counter()
    for device in devices:
        holders[holder_word(device, own_runs)] += 1
    order = sorted(holders, key=lambda word: (word != "idle", word == YOU, word))
    parts = ", ".join(f"{holders[word]} {word}" for word in order)
    count = f"{len(devices)} device{'' if len(devices) == 1 else 's'}"
    return [(count, "strong"), (f": {parts}", "")]


def _split(texts: Sequence[str], width: int, rows: Sequence[AcceleratorRow]) -> tuple[str, ...]:
    """Return the texts in the platform's columns, spread over the width.

    Where there is no room for all, the name gives way first: it is the same in every row.
    """
    model = max(len("Model"), *(len(row.model) for row in rows))
    name = max(len("Name"), *(len(row.name) for row in rows))
    sizes = [6, name, model, 12, 12, 11]
    room = width - sum(sizes) + name - 5
    sizes[1] = min(name, room) if room >= len("Name") else 0
    between = 5 if sizes[1] else 4
    spare = max(between, min(between * WIDEST_GAP, width - sum(sizes)))
    # What cannot be shared evenly goes to the gaps on the right, between the figures.
    gaps = [spare // between + (number >= 5 - spare % between) for number in range(5)] + [0]
    gaps[1] = gaps[1] if sizes[1] else 0
    return tuple(
        fit(text, size) + " " * gap for text, size, gap in zip(texts, sizes, gaps, strict=True)
    )


def _mib(count: int | None) -> str:
    return IDLE if count is None else formatting.mib_text(count)


def _percent(percent: float | None) -> str:
    return IDLE if percent is None else formatting.percent_text(percent)
