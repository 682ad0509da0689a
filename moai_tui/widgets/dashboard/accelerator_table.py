"""Accelerators in the platform's columns, opened to the physical devices behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.events import Resize

from moai_tui import formatting
from moai_tui.widgets.dashboard.device_detail import health_words
from moai_tui.widgets.dashboard.meter import History, bar, history_line, load_style
from moai_tui.widgets.lines import Line, Lines, Piece, fit, line_width
from trainer_core.foreign_text import show_line

if TYPE_CHECKING:
    from trainer_core.accelerators.base import DeviceSnapshot
    from trainer_core.accelerators.occupancy import AcceleratorRow

IDLE = "-"
"""What the platform prints for an accelerator that nobody holds."""

WIDE = 110
"""Cells from which a device shows a longer history, its name, and the limit of its power."""

WIDEST = 150
"""Cells from which its history is longer still."""

WIDEST_GAP = 6
"""Cells between two columns at most: wider, the eye loses the line."""

YOU = "you"

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
        self._load: dict[str, History] = {}

    @property
    def opened(self) -> bool:
        """Whether the physical devices are shown; by itself where there is more than one."""
        return len(self._devices) > 1 if self._open is None else self._open

    @property
    def histories(self) -> dict[str, History]:
        """Utilization of each device by UUID, newest last."""
        return self._load

    def show_reading(
        self,
        rows: Sequence[AcceleratorRow],
        devices: Sequence[DeviceSnapshot],
        note: str | None = None,
    ) -> None:
        """Show a new reading; `note` is one sentence below the table."""
        self._rows, self._devices, self._note = tuple(rows), tuple(devices), note
        for device in self._devices:
            history = self._load.setdefault(device.uuid, History())
            history.add(device.utilization_percent)
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
        telling = sorted(self._devices, key=lambda device: _holder_word(device, {}) == "idle")
        kept = {device.uuid for device in telling[: self._room]}
        shown = [device for device in self._devices if device.uuid in kept]
        named = len({device.name for device in self._devices}) > 1
        lines: list[Line] = [
            device_line(device, self._load[device.uuid], self._own_runs, width, named=named)
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
        holders[_holder_word(device, own_runs)] += 1
    order = sorted(holders, key=lambda word: (word != "idle", word == YOU, word))
    parts = ", ".join(f"{holders[word]} {word}" for word in order)
    count = f"{len(devices)} device{'' if len(devices) == 1 else 's'}"
    return [(count, "strong"), (f": {parts}", "")]


def device_line(
    device: DeviceSnapshot, load: History, own_runs: dict[str, str], width: int, *, named: bool
) -> Line:
    """Return one physical device: load, memory, temperature, power, and who holds it.

    Args:
        device: The device.
        load: Its utilization, newest last.
        own_runs: Titles of this user's runs by id.
        width: Cells of the line.
        named: Whether its name is shown, as where devices of several kinds are together.
    """
    if device.error:
        return [
            (f"  {device.index:>3}  ", ""),
            (fit(show_line(device.error, 300), max(1, width - 7)), "bad"),
        ]
    percent, used, total = (
        device.utilization_percent,
        device.memory_used_bytes,
        device.total_memory_bytes,
    )
    share = used / total if used is not None and total else None
    wide = width >= WIDE
    meter = 12 if wide else 6
    line: list[Piece] = [(f"  {device.index:>3}  ", "" if device.permitted else "faint")]
    if named and wide:
        line.append((fit(short_name(device.name), 18) + "  ", "muted"))
    line += [
        *history_line(load.values, history_cells(width), load_style(percent)),
        (f" {_percent(percent):>4}  ", load_style(percent)),
        *bar(share, meter, _memory_style(share)),
        (f" {_pair(used, total):>15}  ", ""),
        (f"{_celsius(device.temperature_celsius):>4} ", "muted"),
        (
            f"{_watts(device, wide=wide):>9}  " if wide else f"{_watts(device, wide=wide):>5}  ",
            "muted",
        ),
    ]
    health = ", ".join(health_words(device))
    if health:
        line.append((fit(f"! {health}  ", min(line_width([(health, "")]) + 4, 34)), "bad"))
    holder, style = _holder_piece(device, own_runs)
    line.append((fit(holder, max(0, width - line_width(line))), style))
    return line


def history_cells(width: int) -> int:
    """Return how many readings of a device's load a line of this width shows."""
    return 10 if width < WIDE else 16 if width < WIDEST else 40


def short_name(name: str) -> str:
    """Return a card's name without its maker, a slice's with what makes it one."""
    words = show_line(name, 100).removeprefix("NVIDIA ").removeprefix("AMD Instinct ")
    card, mig, piece = words.partition(" MIG ")
    return f"{card.split()[0]} MIG {piece}" if mig and card else words


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


def _holder_word(device: DeviceSnapshot, own_runs: dict[str, str]) -> str:
    from trainer_core.accelerators.binding import why_busy

    if device.error:
        return "lost"
    runs = {device.held_by, *(process.run_id for process in device.processes)}
    if runs & own_runs.keys():
        return YOU
    if device.held_by is not None:
        return _user(device.held_by_user)
    if why_busy(device) is not None:
        return _user(device.processes[0].user if device.processes else None)
    return "idle" if device.permitted else "not permitted"


def _user(name: str | None) -> str:
    return show_line(name, 40) if name else "in use"


def _holder_piece(device: DeviceSnapshot, own_runs: dict[str, str]) -> Piece:
    word = _holder_word(device, own_runs)
    if word == YOU:
        run = device.held_by or next((p.run_id for p in device.processes if p.run_id), None)
        title = own_runs.get(run or "", "")
        return f"you · {show_line(title, 200)}", "good"
    if word == "idle":
        return "idle", "faint"
    if device.held_until is not None:
        return f"{word} · until about {formatting.clock_text(device.held_until)}", "warn"
    command = next((p.command for p in device.processes if p.command), None)
    return f"{word} · {show_line(command, 200)}" if command else word, "warn"


def _memory_style(share: float | None) -> str:
    if share is None:
        return "faint"
    return "warn" if share > 0.9 else "low"


def _mib(count: int | None) -> str:
    return IDLE if count is None else formatting.mib_text(count)


def _percent(percent: float | None) -> str:
    return IDLE if percent is None else formatting.percent_text(percent)


def _pair(used: int | None, total: int | None) -> str:
    if used is None or total is None:
        return formatting.UNKNOWN
    gib = formatting.GIB
    return f"{used / gib:.1f}/{total / gib:.1f} GiB"


def _celsius(degrees: float | None) -> str:
    return IDLE if degrees is None else f"{degrees:.0f}°C"


def _watts(device: DeviceSnapshot, *, wide: bool) -> str:
    if device.power_watts is None:
        return IDLE
    if wide and device.power_limit_watts is not None:
        return f"{device.power_watts:.0f}/{device.power_limit_watts:.0f} W"
    return f"{device.power_watts:.0f} W"
