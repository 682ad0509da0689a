"""Start-up costs beside their floors, in CPU milliseconds: best of several fresh interpreters.

Usage: python benchmarks/start_up.py [REPEATS]. Prints a table; asserts nothing, since a shared
machine's clock is no judge.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys

PROGRAMS = {
    "python -c pass (floor)": ["-c", "pass"],
    "import textual.app (floor)": ["-c", "import textual.app"],
    "moai-tui --version": ["-m", "moai_tui", "--version"],
    "moai-tui smi --json": ["-m", "moai_tui", "smi", "--json"],
    "import moai_tui.app": ["-c", "import moai_tui.app"],
}


def cpu_seconds(arguments: list[str]) -> float:
    """Return user and system seconds of one fresh interpreter and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print one line a program."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    os.environ.setdefault("PYTHONPATH", os.getcwd())
    for label, arguments in PROGRAMS.items():
        best = min(cpu_seconds(arguments) for _ in range(repeats))
        print(f"{label:28} {best * 1000:6.0f} ms CPU")


if __name__ == "__main__":
    main()
