"""`moai-tui device`: the user's accelerators, with the words of `moreh-smi device`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moai_tui.commands.selection import ask, menu_lines, menu_sizes, say, size_numbered
from trainer_core.accelerators.binding import why_busy
from trainer_core.accelerators.inventory import read_devices
from trainer_core.accelerators.locks import read_holders
from trainer_core.accelerators.occupancy import AcceleratorRow, accelerator_rows
from trainer_core.accelerators.pool import AcceleratorPool
from trainer_core.accelerators.smi import render_models
from trainer_core.errors import ConfigError
from trainer_core.foreign_text import show

if TYPE_CHECKING:
    import typer

USAGE = """\
Usage: moai-tui device (--list | --add [SIZE] | --rm [N] | --switch [N] | --reset [N]) [--json]

  --list          your accelerators, and the sizes that can be added
  --add [SIZE]    add an accelerator of the size with this number in the menu
  --rm [N]        remove accelerator N
  --switch [N]    make accelerator N the current one
  --reset [N]     stop the run on accelerator N (the current one without N)
  --json          the accelerators afterwards, for programs (nothing is asked then)

Without their number --add, --rm and --switch ask, until q.
"""

ACTIONS = ("--list", "--add", "--rm", "--switch", "--reset")
RELEASED = "Device release success."
NOT_RUNNING = "Device release failed. (Not running job.)"
PATIENCE_SECONDS = 120.0
"""A run saves itself before it ends; this long is waited for its devices."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    action: str
    number: int | None = None
    as_json: bool = False


def register(app: typer.Typer) -> None:
    """Add the command."""
    from moai_tui.commands.plain_arguments import add

    add(app, "device", run, "Add, remove and choose your accelerators.")


def run(argv: Sequence[str]) -> int:
    """Answer `moai-tui device` with these arguments; returns the exit code.

    Raises:
        UserError: A wrong word, or what is asked for cannot be done.
    """
    if any(word in ("-h", "--help") for word in argv):
        sys.stdout.write(USAGE)
        return 0
    options = parse(argv)
    return _DO[options.action](options)


def parse(words: Sequence[str]) -> Options:
    """Read the arguments.

    Raises:
        ConfigError: No action, more than one, an unknown word, or a number is missing that
            `--json` does not ask for.
    """
    as_json = "--json" in words
    rest = [part for word in words if word != "--json" for part in word.split("=", 1)]
    way_out = "use one of --list, --add [SIZE], --rm [N], --switch [N], --reset [N]"
    if not rest or rest[0] not in ACTIONS or len(rest) > 2:
        raise ConfigError("device", " ".join(words), way_out)
    number = None
    if len(rest) == 2:
        text = rest[1]
        if rest[0] == "--list" or not (text.isascii() and text.isdigit() and len(text) < 7):
            raise ConfigError("device", " ".join(words), way_out)
        number = int(text)
    if as_json and number is None and rest[0] in ("--add", "--rm", "--switch"):
        raise ConfigError(rest[0], "", "give its number; with --json nothing is asked")
    return Options(rest[0], number, as_json)


def _list(options: Options) -> int:
    pool = _pool()
    if options.as_json:
        return _say_facts(pool)
    say(_table(pool) + "\n")
    say("\n".join(menu_lines(pool, starred=False)))
    return 0


def _add(options: Options) -> int:
    def take(number: int) -> None:
        before = _pool()
        pool = before.add(size_numbered(before, number))
        _answer(pool, "Create device success.", options)
        if options.number is None:
            say("\n".join(menu_lines(pool, starred=False)) + "\n")

    if options.number is not None:
        take(options.number)
        return 0
    pool = _pool()
    say("\n".join(menu_lines(pool, starred=False)) + "\n")
    return ask(1, len(menu_sizes(pool.devices)), take)


def _remove(options: Options) -> int:
    def take(number: int) -> None:
        _answer(_pool().remove(number), "Remove device success.", options)

    return _take_or_ask(options, take)


def _switch(options: Options) -> int:
    def take(number: int) -> None:
        _answer(_pool().switch(number), "Switch Current Device success.", options)

    return _take_or_ask(options, take)


def _reset(options: Options) -> int:
    """Ask the run on an accelerator to stop, and wait until its devices are free."""
    pool = _pool()
    chosen = pool.current if options.number is None else pool.row(options.number)
    row = next(row for row in accelerator_rows(pool) if row.index == chosen.index)
    if row.run_id is None:
        sentence = _why_not_released(row)
        say(json.dumps({"released": False, "reason": sentence}) if options.as_json else sentence)
        return 1
    stop_run(row.run_id)
    free = _wait_until_free(row)
    sentence = (
        RELEASED
        if free
        else f"Run {row.run_id} is still saving; its devices are free when it has ended."
    )
    facts = {"released": free, "run": row.run_id, "reason": None if free else sentence}
    say(json.dumps(facts) if options.as_json else sentence)
    return 0


def stop_run(run_id: str) -> None:
    """Send the run its request to stop and save.

    Raises:
        UserError: This user has no such run.
    """
    from trainer_core.run.record.control import send_request
    from trainer_core.run.record.directory import find_run

    send_request(find_run(run_id).path, "stop")


def _why_not_released(row: AcceleratorRow) -> str:
    busy = [words for device in row.devices if (words := why_busy(device))]
    if not busy:
        return NOT_RUNNING
    return f"Device release failed. (Held by {show(busy[0], 200)}, which is no run of yours.)"


def _wait_until_free(row: AcceleratorRow, patience_seconds: float = PATIENCE_SECONDS) -> bool:
    uuids = [device.uuid for device in row.devices]
    deadline = time.monotonic() + patience_seconds
    while any(holder.run_id == row.run_id for holder in read_holders(uuids).values()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def _take_or_ask(options: Options, take: Callable[[int], None]) -> int:
    if options.number is not None:
        take(options.number)
        return 0
    pool = _pool()
    say(_table(pool))
    return ask(0, len(pool.accelerators) - 1, take)


def _answer(pool: AcceleratorPool, sentence: str, options: Options) -> None:
    if options.as_json:
        _say_facts(pool)
    else:
        say(f"{_table(pool)}\n{sentence}")


def _say_facts(pool: AcceleratorPool) -> int:
    facts: dict[str, Any] = {
        "limit": pool.limit,
        "accelerators": [
            {
                "index": row.index,
                "current": row.current,
                "size": row.size.name,
                "model": row.size.label,
                "devices": row.size.devices,
            }
            for row in pool.accelerators
        ],
    }
    say(json.dumps(facts, indent=2))
    return 0


def _table(pool: AcceleratorPool) -> str:
    return render_models(accelerator_rows(pool))


def _pool() -> AcceleratorPool:
    return AcceleratorPool.load(read_devices().devices)


_DO: dict[str, Callable[[Options], int]] = {
    "--list": _list,
    "--add": _add,
    "--rm": _remove,
    "--switch": _switch,
    "--reset": _reset,
}
