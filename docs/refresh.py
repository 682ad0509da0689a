"""Run every command of a document and put what it printed below it.

Usage: python docs/refresh.py docs/tutorial.md

A block fenced as `console` holds commands (`$ …`) and their output. Each is run by `sh` in a
scratch folder with state, cache and locks of its own, in order; what stood below is replaced.
The scratch folder is written as `~`, the checkout as `~/moai-tui`. Blocks fenced otherwise are
left alone.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK = re.compile(r"(?ms)^```console\n(.*?)^```$")
SECONDS = 900
CHECKOUT = Path(__file__).parent.parent.absolute()


def environment(scratch: Path) -> dict[str, str]:
    """Return this environment with folders of its own and our command first on the path."""
    commands = Path(sys.executable).parent
    return {
        **os.environ,
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(scratch),
        "MOAI_TUI_HOME": str(scratch / "state"),
        "MOAI_TUI_LOCKS": str(scratch / "locks"),
        "XDG_CACHE_HOME": str(scratch / "cache"),
        "XDG_CONFIG_HOME": str(scratch / "config"),
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }


def refreshed(block: str, scratch: Path) -> str:
    """Return a block with the output of its commands made anew."""
    lines = []
    for command in commands_of(block):
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=scratch,
            env=environment(scratch),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        sys.stderr.write(f"$ {command}  (exit {done.returncode})\n")
        text = done.stdout.replace(str(scratch), "~").replace(str(CHECKOUT), "~/moai-tui").rstrip()
        lines += [f"$ {command}", *(line.rstrip() for line in text.splitlines())]
    return "\n".join(lines)


def commands_of(block: str) -> list[str]:
    """Return the commands of a block, without their prompt."""
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


def main() -> None:
    """Refresh each document named on the command line."""
    for name in sys.argv[1:]:
        path = Path(name)
        text = path.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory(prefix="moai-docs-") as folder:
            scratch = Path(folder)
            text = BLOCK.sub(
                lambda match, scratch=scratch: (
                    f"```console\n{refreshed(match.group(1), scratch)}\n```"
                ),
                text,
            )
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
