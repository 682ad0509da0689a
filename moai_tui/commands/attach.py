"""`moai-tui attach RUN`: the dashboard, opened on one run."""

from __future__ import annotations

import time

import typer

from moai_tui import terminal
from moai_tui.commands.show import Run
from moai_tui.commands.train import follow_run
from moai_tui.opening import open_dashboard
from trainer_core.run.record.directory import find_run


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("attach")(attach)


def attach(run: Run) -> None:
    """Open the dashboard on a run; without a terminal, follow it as plain lines."""
    directory = find_run(run)
    if terminal.is_usable():
        raise typer.Exit(open_dashboard(directory.id))
    # Looking at a run is never owning it, whatever the terminal.
    raise typer.Exit(follow_run(directory, owns=False, json=False, since=time.time()))
