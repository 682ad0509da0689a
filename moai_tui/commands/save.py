"""`moai-tui save RUN`: a checkpoint at the next step; the run goes on."""

from __future__ import annotations

import typer

from moai_tui.commands.show import Run
from moai_tui.commands.steering import Json, asked, living_run, tell


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("save")(save)


def save(run: Run, json: Json = False) -> None:
    """Have a run save a checkpoint now."""
    raise typer.Exit(tell(asked(living_run(run, "save"), "save"), json=json))
