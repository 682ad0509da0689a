"""`moai-tui events RUN`: every event as one JSON object per line."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

from moai_tui.commands.show import Run
from trainer_core.json_lines import write_json_line
from trainer_core.run.overview.follow import POLL_SECONDS
from trainer_core.run.processes.process import liveness
from trainer_core.run.record.directory import find_run
from trainer_core.run.record.event_log import EventReader, encode_event

READ_BYTES = 4 * 2**20
"""So much of a long log is held in memory at once."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("events")(events)


def events(
    run: Run,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The default: events are JSON.")] = True,
) -> None:
    """Print the events of a run, merged by time, as JSON lines."""
    directory = find_run(run)
    reader = EventReader(directory.path)
    while True:
        alive = liveness(directory) == "alive"
        _write_new(reader)
        if not (follow and alive):
            return
        time.sleep(POLL_SECONDS)


def _write_new(reader: EventReader) -> None:
    while True:
        for event in reader.read_new(READ_BYTES):
            write_json_line(encode_event(event), flush=False)
        sys.stdout.flush()
        if not reader.behind:
            return
