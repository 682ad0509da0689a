"""One measurement in a process of its own, so that nothing of one run is left to the next."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

_MARK = "RESULT "


def tell(result: Mapping[str, Any]) -> None:
    """Print a result for the process that waits for it."""
    print(_MARK + json.dumps(result))


def result_of(
    command: Sequence[str], *, limit_seconds: float, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Run a command and return what it told; `error` with its last words where it told nothing.

    Args:
        command: Program and arguments.
        limit_seconds: It is ended after that many.
        environment: All variables of the process; ours if None.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=limit_seconds,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"took more than {limit_seconds:.0f} s"}
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            result: dict[str, Any] = json.loads(line.removeprefix(_MARK))
            return result
    return {"error": " | ".join(done.stderr.strip().splitlines()[-6:])[-900:]}
