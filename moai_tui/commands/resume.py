"""`moai-tui resume RUN`: a paused, stopped, failed or lost run goes on as the same run."""

from __future__ import annotations

import socket
import sys
import time
from typing import Annotated

import typer

from moai_tui.commands.output import write_line
from moai_tui.commands.run_lines import run_label
from moai_tui.commands.show import Run
from moai_tui.commands.train import started
from trainer_core.errors import UserError
from trainer_core.foreign_text import show_line
from trainer_core.run.overview.summarize import summarize
from trainer_core.run.processes.process import liveness
from trainer_core.run.processes.session import logout_danger
from trainer_core.run.record.directory import find_run
from trainer_core.run.record.summary import RunSummary


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("resume")(resume)


def resume(
    run: Run,
    size: Annotated[str | None, typer.Option(help="Another accelerator size.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return at once.")] = False,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Own the run: INT, TERM and USR1 stop and save it.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Events as JSON lines.")] = False,
) -> None:
    """Continue a paused, stopped, failed or lost run from its last checkpoint."""
    directory = find_run(run)
    before = summarize(directory)
    if liveness(directory) != "dead":
        _say_what_keeps_it(before)
    if (danger := logout_danger()) is not None:
        write_line(f"{danger.text}; {danger.fix}", to=sys.stderr)
    since = time.time()
    from trainer_core.run.supervision.launch import resume as resume_run

    resume_run(directory, size)
    if not json:
        write_line(_from_where(before))
    code = started(directory, detach=detach, foreground=foreground, json=json, since=since)
    raise typer.Exit(code)


def _from_where(run: RunSummary) -> str:
    """Say where the run goes on; only its ranks compare every byte of a checkpoint."""
    step, checkpoint = run.step or 0, run.last_checkpoint_step or 0
    lost = f", {step - checkpoint} steps are done again" if step > checkpoint else ""
    sure = "; from an earlier one if that checkpoint was changed" if checkpoint else ""
    return (
        f"{run_label(run)} was {run.state} at step {step}; it goes on from step {checkpoint}"
        f"{lost}{sure}."
    )


def _say_what_keeps_it(run: RunSummary) -> None:
    if run.state == "paused":
        why = f" ({show_line(run.waits_for, 300)})" if run.waits_for else ""
        raise UserError(f"run {run.id} waits{why} and goes on by itself; nothing to resume")
    if run.host != socket.gethostname():
        host = show_line(run.host or "another host", 100)
        write_line(f"Run {run.id} was on {host}: watching its heartbeat for a minute …")
