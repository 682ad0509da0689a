"""`moai-tui smi`: the platform's table, answered before anything heavy is imported.

No typer, no Textual, no msgspec: a person types this often, over slow lines.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import trainer_core
from trainer_core.accelerators.inventory import Inventory, read_devices
from trainer_core.accelerators.occupancy import AcceleratorRow, accelerator_rows
from trainer_core.accelerators.pool import AcceleratorPool
from trainer_core.accelerators.smi import render, render_devices
from trainer_core.accelerators.waiting_runs import waiting_in_words, waiting_runs
from trainer_core.errors import ConfigError, UserError
from trainer_core.foreign_text import show

USAGE = """\
Usage: moai-tui smi [-p | --physical] [-i N | --idx N] [--watch SECONDS] [--json] [-h | --help]

Show this machine's accelerators in the layout of moreh-smi.

Options:
  -p, --physical    one row a physical device: temperature, utilization, memory
  -i, --idx N       only accelerator N (with -p: only device N)
  --watch SECONDS   again and again, until ctrl-c
  --json            everything that is known, for programs (with --watch: one line a reading)
  -h, --help        this text

Memory, total and utilization are - unless an accelerator is held; -p shows them always.
"""

SETTLE_SECONDS = 0.1
"""A processor's utilization needs two readings; this far apart."""

LEAST_SECONDS = 0.1
CLEAR = "\033[H\033[J"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    physical: bool = False
    index: int | None = None
    watch_seconds: float | None = None
    as_json: bool = False
    show_help: bool = False


def run(argv: Sequence[str]) -> int:
    """Answer `moai-tui smi` with these arguments; returns the exit code.

    Raises:
        UserError: A wrong word, `-i` names what is not there, or the stored accelerators cannot
            be read.
    """
    options = parse(argv)
    if options.show_help:
        sys.stdout.write(USAGE)
        return 0
    if options.watch_seconds is None:
        _write(text_of(_settled(options), options) + "\n")
        return 0
    return _watch(options, options.watch_seconds)


def parse(argv: Sequence[str]) -> Options:
    """Read the arguments.

    Raises:
        ConfigError: An unknown option or a wrong value.
    """
    options = Options()
    words = [part for word in argv for part in _split(word)]
    while words:
        word = words.pop(0)
        if word in ("-p", "--physical"):
            options = replace(options, physical=True)
        elif word == "--json":
            options = replace(options, as_json=True)
        elif word in ("-h", "--help"):
            options = replace(options, show_help=True)
        elif word in ("-i", "--idx"):
            options = replace(options, index=_number(word, words))
        elif word == "--watch":
            options = replace(options, watch_seconds=_seconds(word, words))
        else:
            raise ConfigError("smi", word, "use -p, -i N, --watch SECONDS, --json or --help")
    return options


def text_of(inventory: Inventory, options: Options) -> str:
    """Return what is printed for one reading, without a newline at the end.

    Raises:
        UserError: `-i` names what is not there, or the stored accelerators cannot be read.
    """
    pool = AcceleratorPool.load(inventory.devices)
    rows = _chosen_rows(accelerator_rows(pool), options)
    if options.as_json:
        indent = None if options.watch_seconds is not None else 2
        return json.dumps(facts(inventory, rows, options), indent=indent)
    if options.physical:
        table = render_devices(_chosen_devices(inventory, options))
    else:
        current, latest = versions(inventory)
        table = render(rows, current, latest)
    notes = notes_of(inventory)
    if not options.physical:
        notes += [show(waiting_in_words(run)) for run in waiting_runs(inventory.devices)]
    return table if not notes else "\n".join([table, "", *notes])


def versions(inventory: Inventory) -> tuple[str, str]:
    """Return the current and the latest version: the platform's where there is one, else ours."""
    framework = inventory.framework
    if framework is None:
        return trainer_core.__version__, trainer_core.__version__
    current = framework.current or "-"
    return current, framework.latest or current


def notes_of(inventory: Inventory) -> list[str]:
    """Return what a reader of the table should know: bounds and lost devices."""
    errors = [device.error for device in inventory.devices if device.error]
    return [show(note) for note in (*inventory.notes, *errors)]


def facts(inventory: Inventory, rows: Sequence[AcceleratorRow], options: Options) -> dict[str, Any]:
    """Return everything known, ready for JSON; unknown is null."""
    current, latest = versions(inventory)
    devices = inventory.devices
    if options.physical:
        devices = tuple(_chosen_devices(inventory, options))
    return {
        "versions": {"current": current, "latest": latest, "moai_tui": trainer_core.__version__},
        "accelerators": [
            {
                "index": row.index,
                "current": row.current,
                "name": row.name,
                "model": row.model,
                "held": row.held,
                "run": row.run_id,
                "devices": [device.uuid for device in row.devices if row.held],
                "memory_used_bytes": row.memory_used_bytes,
                "total_memory_bytes": row.total_memory_bytes,
                "utilization_percent": row.utilization_percent,
                "processes": [asdict(process) for process in row.processes],
            }
            for row in rows
        ],
        "devices": [asdict(device) for device in devices],
        "waiting": [asdict(run) for run in waiting_runs(inventory.devices)],
        "notes": notes_of(inventory),
    }


def _watch(options: Options, seconds: float) -> int:
    """Print readings until ctrl-c: in place at a terminal, one after another elsewhere."""
    in_place = sys.stdout.isatty() and not options.as_json
    while True:
        started = time.monotonic()
        text = text_of(_settled(options), options)
        _write(f"{CLEAR if in_place else ''}{text}\n")
        time.sleep(max(0.0, started + seconds - time.monotonic()))


def _write(text: str) -> None:
    """Print at once; what the terminal's encoding lacks becomes `?`."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()


def _settled(options: Options, read: Callable[[], Inventory] = read_devices) -> Inventory:
    """Read the devices; a processor whose utilization will be shown is read twice."""
    inventory = read()
    unknown = any(
        device.kind == "cpu" and device.cores and device.utilization_percent is None
        for device in inventory.devices
    )
    shown = options.physical or options.as_json or any(d.held_by for d in inventory.devices)
    if not (unknown and shown):
        return inventory
    time.sleep(SETTLE_SECONDS)
    return read()


def _chosen_rows(rows: tuple[AcceleratorRow, ...], options: Options) -> tuple[AcceleratorRow, ...]:
    if options.index is None or options.physical:
        return rows
    chosen = tuple(row for row in rows if row.index == options.index)
    if not chosen:
        numbers = ", ".join(str(row.index) for row in rows)
        raise UserError(f"There is no accelerator {options.index}; choose one of {numbers}")
    return chosen


def _chosen_devices(inventory: Inventory, options: Options) -> list[Any]:
    if options.index is None:
        return list(inventory.devices)
    chosen = [device for device in inventory.devices if device.index == options.index]
    if not chosen:
        numbers = ", ".join(str(device.index) for device in inventory.devices)
        raise UserError(f"There is no device {options.index}; choose one of {numbers}")
    return chosen


def _split(word: str) -> tuple[str, ...]:
    """Part `--watch=2` and `-i3`; other words stay whole."""
    if word.startswith("--") and "=" in word:
        name, _, value = word.partition("=")
        return name, value
    return ("-i", word[2:]) if word.startswith("-i") and len(word) > 2 else (word,)


def _number(option: str, words: list[str]) -> int:
    text = words.pop(0) if words else ""
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise ConfigError(option, text, "give the number of an accelerator or device")
    return int(text)


def _seconds(option: str, words: list[str]) -> float:
    text = words.pop(0) if words else ""
    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    if not LEAST_SECONDS <= seconds <= 86_400:
        raise ConfigError(option, text, "give seconds between 0.1 and 86400")
    return seconds
