"""What a vendor's command line tool answers, or nothing."""

from __future__ import annotations

import shutil


def output_of(tool: str, *arguments: str, timeout_seconds: float) -> str | None:
    """Run a tool found on the PATH; None where there is none, it fails to start or takes too long.

    Its exit code does not count: these tools print what they know and fail over the rest.
    """
    path = shutil.which(tool)
    if path is None:
        return None
    import subprocess

    try:
        finished = subprocess.run(
            [path, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return finished.stdout
