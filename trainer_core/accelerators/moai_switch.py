"""Switch a MoAI machine's current accelerator through the platform's own menu.

`moreh-switch-model` reads answers from a pipe (`8`, then `q`). The number is looked up by the
printed name each time: older releases order their sizes otherwise. Not yet tried on a real
platform; written against its published dialogue.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable

from trainer_core.accelerators.base import Size
from trainer_core.errors import UserError
from trainer_core.foreign_text import show_line

TOOL = "moreh-switch-model"
TIMEOUT_SECONDS = 60.0
SUCCESS = "successfully switched"


def switch_model(size: Size, run: Callable[[str], str] | None = None) -> None:
    """Give the platform's current accelerator another size.

    Args:
        size: One of the platform's, e.g. `4xLarge.2048GB`.
        run: Runs the tool with this text as its input and returns its output; tests give
            their own.

    Raises:
        UserError: The tool is not there, does not offer the size, or did not switch.
    """
    call = run or _run
    number = _number_of(size.label, call("q\n"))
    if number is None:
        raise UserError(f"{TOOL} does not offer {size.label} here; ask the platform's operator")
    answer = call(f"{number}\nq\n")
    if SUCCESS not in answer:
        lines = [line for line in answer.splitlines() if line.strip()]
        said = show_line(lines[-1], 200) if lines else "nothing"
        raise UserError(f"{TOOL} did not switch to {size.label}; it said: {said}")


def _number_of(label: str, menu: str) -> int | None:
    found = re.search(
        rf"^\s*(\d{{1,3}})\.\s+{re.escape(label)}(?=\s|$)", menu, re.MULTILINE | re.IGNORECASE
    )
    return int(found[1]) if found else None


def _run(text: str) -> str:
    import subprocess

    tool = shutil.which(TOOL)
    if tool is None:
        raise UserError(f"{TOOL} is not found; this machine's accelerators are the platform's")
    try:
        finished = subprocess.run(
            [tool],
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"{TOOL} could not be asked: {error}") from error
    return finished.stdout
