"""The dashboard as plain lines, for screen readers and terminals that cannot move a cursor.

Nothing is ever painted over: the same tables as the commands print, then a prompt that takes
commands as after `moai-tui`, one a line.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence

VARIABLE = "MOAI_TUI_LINEAR"
OPTION = "--linear"
PROMPT = "moai-tui> "
LEAVE = ("q", "quit", "exit")
WORDS = (
    "A command: smi, runs, train, show RUN, stop RUN, device --list, help; q leaves, runs go on."
)


def is_wanted(arguments: Sequence[str]) -> bool:
    """Say whether lines are asked for, by `--linear` or by the variable."""
    return list(arguments) == [OPTION] or (not arguments and os.environ.get(VARIABLE) == "1")


def run(home: Callable[[], int], command: Callable[[list[str]], int]) -> int:
    """Show the accelerators and the runs, then carry out commands until `q` or the end of input.

    Args:
        home: Prints what the first screen shows.
        command: Carries out one command line; never raises what a user may cause.

    Returns:
        The exit code: 0.
    """
    home()
    while True:
        sys.stdout.write(f"\n{WORDS}\n{PROMPT}")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line or line.strip() in LEAVE:
            return 0
        try:
            words = shlex.split(line)
        except ValueError:
            sys.stdout.write("A quote is not closed; nothing was done.\n")
            continue
        if words and words != [OPTION]:
            command(["help"] if words == ["?"] else words)
