"""`moai-tui pause RUN`: the run saves itself and gives its devices back until `resume`."""

from __future__ import annotations

import typer

from moai_tui.commands.output import write_line
from moai_tui.commands.show import Run
from moai_tui.commands.steering import Json, asked, living_run, tell
from moai_tui.commands.stop import wait_for_the_end
from trainer_core.run.overview.summarize import summarize


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("pause")(pause)


def pause(run: Run, json: Json = False) -> None:
    """Save a run and free its devices; `moai-tui resume RUN` goes on from the same step."""
    directory = living_run(run, "pause")
    code = tell(asked(directory, "pause"), json=json)
    if code == 0:
        wait_for_the_end(directory)
        state = summarize(directory).state
        code = 0 if state in ("paused", "stopped", "finished") else 1
        if not json:
            write_line(f"Run {directory.id} is {state}. Go on: moai-tui resume {directory.id}")
    raise typer.Exit(code)
