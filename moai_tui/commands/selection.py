"""The platform's menus: a numbered list, `Selection (1-13, q, Q): `, until q or the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TextIO

from trainer_core.accelerators.base import DeviceSnapshot, Size
from trainer_core.accelerators.pool import AcceleratorPool
from trainer_core.accelerators.sizes import device_memory_gb, sizes_for, why_not
from trainer_core.errors import UserError

LEFT_BY_CTRL_C = 130


def menu_sizes(devices: Sequence[DeviceSnapshot]) -> tuple[Size, ...]:
    """Return the 13 sizes of this machine, in the order of their numbers from 1."""
    return sizes_for(device_memory_gb(devices))


def menu_lines(pool: AcceleratorPool, *, starred: bool) -> list[str]:
    """Return the numbered sizes; those this machine cannot form say why on their line.

    Args:
        pool: The user's accelerators and the machine's devices.
        starred: Whether the current accelerator's size gets its `*`.
    """
    lines = []
    for number, size in enumerate(menu_sizes(pool.devices), start=1):
        star = "  *" if starred and size.devices == pool.current.size.devices else ""
        reason = why_not(size, pool.devices)
        lines.append(f"{number}. {size.label}{star}{f'  ({reason})' if reason else ''}")
    return lines


def size_numbered(pool: AcceleratorPool, number: int) -> Size:
    """Return the size with this number of the menu.

    Raises:
        UserError: There is no such number.
    """
    sizes = menu_sizes(pool.devices)
    if not 1 <= number <= len(sizes):
        raise UserError(f"There is no size {number}; choose a number from 1 to {len(sizes)}")
    return sizes[number - 1]


def ask(first: int, last: int, take: Callable[[int], None], source: TextIO | None = None) -> int:
    """Ask for numbers until `q`, `Q` or the end of input; returns the exit code.

    Args:
        first: Smallest number that is allowed.
        last: Largest number that is allowed.
        take: Does what the number stands for and prints its answer; a `UserError` is printed
            as its one sentence, and the question comes again.
        source: Where answers come from; None is standard input.
    """
    try:
        while True:
            say(f"Selection ({first}-{last}, q, Q): ", end="")
            answer = _read_line(source or sys.stdin)
            if answer is None:
                say("")
                return 0
            if answer in ("q", "Q"):
                return 0
            number = int(answer) if _is_number(answer) else None
            if number is None or not first <= number <= last:
                say(f"Enter a number from {first} to {last}, or q to leave.")
                continue
            try:
                take(number)
            except UserError as error:
                say(str(error))
    except KeyboardInterrupt:
        say("")
        return LEFT_BY_CTRL_C


def say(text: str, end: str = "\n") -> None:
    """Print and flush: a prompt has to be seen before it is answered."""
    sys.stdout.write(text + end)
    sys.stdout.flush()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _read_line(source: TextIO) -> str | None:
    """Read one answer; None at the end of input. Bytes that are no text are a wrong answer."""
    raw = getattr(source, "buffer", None)
    line = raw.readline().decode("utf-8", "replace") if raw is not None else source.readline()
    return line.strip() if line else None
