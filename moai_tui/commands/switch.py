"""`moai-tui switch`: the size of the current accelerator, as `moreh-switch-model` asks for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from moai_tui.commands.selection import ask, menu_lines, menu_sizes, say, size_numbered
from trainer_core.accelerators.inventory import read_devices
from trainer_core.accelerators.pool import AcceleratorPool
from trainer_core.accelerators.sizes import why_not
from trainer_core.errors import ConfigError

if TYPE_CHECKING:
    import typer

USAGE = """\
Usage: moai-tui switch [N] [--json] [-h | --help]

Choose the size of the current accelerator. Runs started afterwards get that many devices; runs
that go on are not touched. Without N a menu asks, until q.

  N        number of a size in the menu; nothing is asked
  --json   the sizes and which is current, for programs
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    from moai_tui.commands.plain_arguments import add

    add(app, "switch", run, "Choose an accelerator size.")


def run(argv: Sequence[str]) -> int:
    """Answer `moai-tui switch` with these arguments; returns the exit code.

    Raises:
        UserError: A wrong word, a number that is not in the menu, or the platform's refusal.
    """
    as_json = "--json" in argv
    words = [word for word in argv if word != "--json"]
    if words and words[0] in ("-h", "--help"):
        sys.stdout.write(USAGE)
        return 0
    number = _number(words)
    pool = AcceleratorPool.load(read_devices().devices)
    if number is not None:
        pool = switched(pool, number)
        if not as_json:
            say(_success(pool))
    if as_json:
        say(json.dumps(facts(pool, switched_now=number is not None), indent=2))
    if as_json or number is not None:
        return 0
    say(f"Current MoAI Accelerator: {_current_label(pool)}\n")
    say("\n".join(menu_lines(pool, starred=True)) + "\n")
    return ask(1, len(menu_sizes(pool.devices)), _take)


def switched(pool: AcceleratorPool, number: int) -> AcceleratorPool:
    """Give the current accelerator the size with this number of the menu.

    Raises:
        UserError: No such number, a size this machine cannot form, or the platform's refusal.
    """
    if pool.on_platform:
        from trainer_core.accelerators.moai_switch import switch_model

        switch_model(size_numbered(pool, number))
        return AcceleratorPool.load(read_devices().devices)
    return pool.switch(pool.current.index, size_numbered(pool, number))


def facts(pool: AcceleratorPool, *, switched_now: bool) -> dict[str, Any]:
    """Return the menu for programs."""
    return {
        "current": _current_label(pool),
        "switched": switched_now,
        "sizes": [
            {
                "number": number,
                "size": size.name,
                "label": size.label,
                "devices": size.devices,
                "current": size.devices == pool.current.size.devices,
                "cannot_be_formed": why_not(size, pool.devices),
            }
            for number, size in enumerate(menu_sizes(pool.devices), start=1)
        ],
    }


def _take(number: int) -> None:
    pool = switched(AcceleratorPool.load(read_devices().devices), number)
    say(_success(pool) + "\n")
    say("\n".join(menu_lines(pool, starred=True)) + "\n")


def _success(pool: AcceleratorPool) -> str:
    # Two spaces before the quote, as the platform prints it.
    return f'The MoAI Accelerator model is successfully switched to  "{pool.current.size.label}".'


def _current_label(pool: AcceleratorPool) -> str:
    return pool.current.size.label


def _number(words: list[str]) -> int | None:
    if not words:
        return None
    if len(words) > 1 or not (words[0].isascii() and words[0].isdigit() and len(words[0]) < 10):
        raise ConfigError("switch", " ".join(words), "give one number of the menu, 1 to 13")
    return int(words[0])
