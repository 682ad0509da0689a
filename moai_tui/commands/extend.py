"""`moai-tui extend RUN --steps N`: more steps, while the run lasts."""

from __future__ import annotations

from typing import Annotated

import typer

from moai_tui.commands.show import Run
from moai_tui.commands.steering import Json, asked, living_run, tell


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("extend")(extend)


def extend(
    run: Run,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps to add.")],
    json: Json = False,
) -> None:
    """Give a run more steps; its learning-rate schedule is stretched to the new end."""
    raise typer.Exit(tell(asked(living_run(run, "extend"), "extend", steps=steps), json=json))
