"""Whether the interpreter that is to train can: a Python of ours to say so, and torch in it."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

from trainer_core.errors import ConfigError, UserError
from trainer_core.foreign_text import show
from trainer_core.run.processes.process import core_command, core_environment

ANSWER_SECONDS = 60.0
READY = b"ready\n"


def require_ready(python: str | None) -> None:
    """Refuse an interpreter that cannot train; torch is looked for, not imported.

    Args:
        python: The worker's interpreter; None is our own.

    Raises:
        UserError: Why not, and what to name or install.
    """
    if python is None:
        missing = missing_torch()
        if missing is not None:
            raise missing
        return
    try:
        answer = subprocess.run(
            core_command("ready", python=python),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ANSWER_SECONDS,
            env=core_environment(),
            check=False,
        )
    except OSError as error:
        problem = f"{python} cannot be run: {(error.strerror or '').lower()}"
        raise ConfigError("worker.python", python, "name a Python with torch", problem) from error
    except subprocess.TimeoutExpired as error:
        problem = f"{python} gave no answer in a minute"
        raise ConfigError("worker.python", python, "name a Python with torch", problem) from error
    if answer.returncode == 0 and answer.stdout.endswith(READY):
        return
    said = answer.stderr.decode("utf-8", "replace").strip().splitlines()
    if answer.returncode == 2 and said:
        raise UserError(show(said[-1]))
    problem = f"{python} is no Python that can run the worker"
    raise ConfigError("worker.python", python, "name a Python with torch", problem)


def missing_torch() -> UserError | None:
    """Return what to say where this interpreter has no torch; None where it has."""
    if find_spec("torch") is not None:
        return None
    return UserError(
        f"torch is not installed for {sys.executable}; install moai-tui[train] there, or name "
        "another Python with worker.python"
    )


def main() -> int:
    """Carry out `python -m trainer_core ready`; returns the exit code.

    Raises:
        UserError: If this interpreter has no torch.
    """
    missing = missing_torch()
    if missing is not None:
        raise missing
    sys.stdout.write(READY.decode())
    return 0
