"""One physical device in one line: load, memory, heat, power, clocks, and who holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moai_tui import formatting
from moai_tui.widgets.dashboard.device_detail import health_words
from moai_tui.widgets.dashboard.meter import History, bar, history_line, load_style
from moai_tui.widgets.lines import Line, Piece, fit, line_width
from trainer_core.foreign_text import show_line

if TYPE_CHECKING:
    from trainer_core.accelerators.base import DeviceSnapshot

IDLE = "-"
"""What the platform prints for an accelerator that nobody holds, and we where nothing is told."""

WIDE = 110
"""Cells from which a device shows a longer history, its name, and the limit of its power."""

WIDEST = 150
"""Cells from which its history takes what is left."""

FULL = 170
"""Cells from which a list of devices has room for clocks, the memory's heat and its bus."""

LONGEST_HISTORY = 120
"""Readings a line shows at most."""

NAME_WIDTH = 18
PLACE_WIDTH, LOAD_WIDTH, PAIR_WIDTH, HEAT_WIDTH = 7, 7, 18, 5
MORE = (("Mem temp", 10), ("Clock", 10), ("Mem clock", 11), ("Mem bus", 9))
"""What the columns are called that only a full line has, and their widths."""

YOU = "you"


def device_line(
    device: DeviceSnapshot,
    load: History,
    own_runs: dict[str, str],
    width: int,
    *,
    named: bool,
    full: bool = False,
) -> Line:
    """Return one physical device.

    Args:
        device: The device.
        load: Its utilization, newest last.
        own_runs: Titles of this user's runs by id.
        width: Cells of the line.
        named: Whether its name is shown, as where devices of several kinds are together.
        full: Whether everything is shown that there is room for, under `device_head`.
    """
    if device.error:
        return [
            (f"  {device.index:>3}  ", ""),
            (fit(show_line(device.error, 300), max(1, width - PLACE_WIDTH)), "bad"),
        ]
    percent, used, total = (
        device.utilization_percent,
        device.memory_used_bytes,
        device.total_memory_bytes,
    )
    share = used / total if used is not None and total else None
    line: list[Piece] = [(f"  {device.index:>3}  ", "" if device.permitted else "faint")]
    if named and width >= WIDE:
        line.append((fit(short_name(device.name), NAME_WIDTH) + "  ", "muted"))
    line += [
        *history_line(load.values, history_cells(width, full=full), load_style(percent)),
        (f" {_percent(percent):>4}  ", load_style(percent)),
        *bar(share, _meter(width), _memory_style(share)),
        (f" {_pair(used, total):>15}  ", ""),
        (f"{_celsius(device.temperature_celsius):>4} ", "muted"),
        (fit(_watts(device, wide=width >= WIDE), _power_width(width) - 2, "right") + "  ", "muted"),
    ]
    if full and width >= FULL:
        line += _more_pieces(device)
    health = ", ".join(health_words(device))
    if health:
        line.append((fit(f"! {health}  ", min(line_width([(health, "")]) + 4, 34)), "bad"))
    holder, style = _holder_piece(device, own_runs)
    line.append((fit(holder, max(0, width - line_width(line))), style))
    return line


def device_head(width: int, *, named: bool) -> Line:
    """Return the names of the columns of full lines of this width."""
    cells = [fit("  Dev", PLACE_WIDTH)]
    if named and width >= WIDE:
        cells.append(fit("Name", NAME_WIDTH + 2))
    cells += [
        fit("Load", history_cells(width, full=True) + LOAD_WIDTH),
        fit("Memory", _meter(width) + PAIR_WIDTH),
        fit("Temp", HEAT_WIDTH - 1, "right") + " ",
        fit("Power", _power_width(width) - 2, "right") + "  ",
    ]
    if width >= FULL:
        cells += [fit(head, cell - 2, "right") + "  " for head, cell in MORE]
    return [(fit("".join([*cells, "Held by"]), width), "muted")]


def history_cells(width: int, *, full: bool = False) -> int:
    """Return how many readings of a device's load a line of this width shows."""
    if width < WIDEST:
        return 10 if width < WIDE else 16
    taken = sum(cell for _, cell in MORE) if full and width >= FULL else 0
    return min(LONGEST_HISTORY, 30 + width - WIDEST - taken)


def _meter(width: int) -> int:
    return 12 if width >= WIDE else 6


def _power_width(width: int) -> int:
    return 11 if width >= WIDE else 7


def _more_pieces(device: DeviceSnapshot) -> list[Piece]:
    texts = (
        _celsius(device.memory_temperature_celsius),
        _megahertz(device.clock_mhz),
        _megahertz(device.memory_clock_mhz),
        _percent(device.memory_utilization_percent),
    )
    return [
        (fit(text, cell - 2, "right") + "  ", "muted")
        for text, (_, cell) in zip(texts, MORE, strict=True)
    ]


def short_name(name: str) -> str:
    """Return a card's name without its maker, a slice's with what makes it one."""
    words = show_line(name, 100).removeprefix("NVIDIA ").removeprefix("AMD Instinct ")
    card, mig, piece = words.partition(" MIG ")
    return f"{card.split()[0]} MIG {piece}" if mig and card else words


def holder_word(device: DeviceSnapshot, own_runs: dict[str, str]) -> str:
    """Return whose the device is in a word: `you`, a user, `idle`, `lost`, `not permitted`."""
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
    word = holder_word(device, own_runs)
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


def _percent(percent: float | None) -> str:
    return IDLE if percent is None else formatting.percent_text(percent)


def _megahertz(clock: int | None) -> str:
    return IDLE if clock is None else f"{clock} MHz"
