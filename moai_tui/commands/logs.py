"""`moai-tui logs RUN`: what the processes of a run have said."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from moai_tui.commands.output import write_json, write_line
from moai_tui.commands.show import Run
from moai_tui.commands.whole_number import whole_number
from trainer_core.errors import UserError
from trainer_core.foreign_text import show_line
from trainer_core.run.overview.follow import POLL_SECONDS
from trainer_core.run.processes.process import liveness
from trainer_core.run.record.directory import find_run

BLOCK_BYTES = 256 * 1024


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("logs")(logs)


def logs(
    run: Run,
    rank: Annotated[int, typer.Option(parser=whole_number("--rank"), help="Which rank's log.")] = 0,
    supervisor: Annotated[
        bool, typer.Option("--supervisor", help="The supervisor's log instead.")
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Print a log of a run."""
    directory = find_run(run)
    name = "supervisor" if supervisor else f"rank-{rank}"
    path = directory.logs_path / f"{name}.log"
    if not path.exists() and not follow:
        there = ", ".join(sorted(found.stem for found in directory.logs_path.glob("*.log")))
        raise UserError(f"run {directory.id} has no log {name}; there are: {there or 'none yet'}")
    tail = _Tail(path)
    while True:
        alive = liveness(directory) == "alive"
        for line in tail.new_lines():
            _write(name, line, json=json)
        if not (follow and alive):
            break
        time.sleep(POLL_SECONDS)
    # What a process said last before it died may have no end of line.
    if not alive and (rest := tail.rest()):
        _write(name, rest, json=json)


def _write(name: str, line: str, *, json: bool) -> None:
    if json:
        write_json({"log": name, "line": line})
    else:
        write_line(line)


class _Tail:
    """Whole lines of a growing file; a log that was begun anew is read from its start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._torn = b""

    def rest(self) -> str:
        """Return what was read after the last end of line."""
        return show_line(self._torn)

    def new_lines(self) -> Iterator[str]:
        try:
            with self._path.open("rb") as file:
                if self._path.stat().st_size < self._offset:
                    self._offset, self._torn = 0, b""
                file.seek(self._offset)
                while block := file.read(BLOCK_BYTES):
                    self._offset += len(block)
                    lines = (self._torn + block).split(b"\n")
                    self._torn = lines.pop()
                    yield from (show_line(line) for line in lines)
        except FileNotFoundError:
            return
