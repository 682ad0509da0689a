"""A child that reads devices over and over and prints each reading as one line of JSON.

A driver can block for ever inside a call; the dashboard reads the lines with a deadline and
never waits for one. Run as `python -m trainer_core accelerators --watch`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import BinaryIO

import msgspec

from trainer_core.accelerators.inventory import Inventory, read_devices
from trainer_core.errors import UserError

LEAST_SECONDS = 0.2


def encode(inventory: Inventory) -> bytes:
    """Return one line without its end."""
    return msgspec.json.encode(inventory)


def decode(line: bytes) -> Inventory:
    """Read a line back; fields this version does not know are ignored.

    Raises:
        msgspec.DecodeError: Not a whole line of `encode` (a `ValidationError` is one, too).
    """
    return msgspec.json.decode(line, type=Inventory)


def watch(
    seconds: float,
    out: BinaryIO | None = None,
    *,
    read: Callable[[], Inventory] = read_devices,
    parent: int | None = None,
) -> int:
    """Print a reading now and every so many seconds, until the reader or the parent is gone.

    Args:
        seconds: From the start of one reading to the next; a slow driver stretches it.
        out: Where lines go; None is standard output.
        read: What reads the devices.
        parent: Process whose end also ends this one; None is the one that started it.

    Returns:
        0; 2 where a setting of the user's makes reading impossible (said on standard error).
    """
    stream = sys.stdout.buffer if out is None else out
    parent = os.getppid() if parent is None else parent
    while True:
        started = time.monotonic()
        try:
            line = encode(read())
        except UserError as error:
            sys.stderr.write(f"{error}\n")
            return 2
        try:
            stream.write(line + b"\n")
            stream.flush()
        except (BrokenPipeError, ValueError):
            return 0
        if not _parent_lives_until(started + seconds, parent):
            return 0


def _parent_lives_until(deadline: float, parent: int) -> bool:
    """Sleep until a moment, looking for the parent's end four times a second."""
    while os.getppid() == parent:
        left = deadline - time.monotonic()
        if left <= 0:
            return True
        time.sleep(min(left, 0.25))
    return False


def main(argv: Sequence[str]) -> int:
    """Run `python -m trainer_core accelerators [--watch SECONDS]`: once, or over and over."""
    import argparse

    parser = argparse.ArgumentParser(prog="trainer_core accelerators", description=__doc__)
    parser.add_argument("--watch", type=float, metavar="SECONDS", help="read again and again")
    options = parser.parse_args(argv)
    if options.watch is not None:
        return watch(max(LEAST_SECONDS, options.watch))
    try:
        line = encode(read_devices())
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.buffer.write(line + b"\n")
    return 0
