"""`moai-tui verify RUN`: every checkpoint hashed again, every event read again."""

from __future__ import annotations

from typing import Annotated

import typer

from moai_tui.commands.output import write_json, write_line
from moai_tui.commands.show import Run
from moai_tui.formatting import bytes_text, whole_text
from trainer_core.foreign_text import show_line
from trainer_core.run.record.directory import find_run
from trainer_core.run.storage.verification import RunCheck, verify_run


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify")(verify)


def verify(
    run: Run,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Hash every checkpoint and read every event of a run; exit code 1 if anything is wrong."""
    found = verify_run(find_run(run))
    if json:
        write_json(found)
    else:
        for line in _lines(found):
            write_line(line)
    raise typer.Exit(0 if found.ok else 1)


def _lines(found: RunCheck) -> list[str]:
    lines = [
        f"step {checkpoint.step}: {show_line(checkpoint.problem, 300)}"
        if checkpoint.problem
        else f"step {checkpoint.step}: good, {bytes_text(checkpoint.bytes)}"
        for checkpoint in found.checkpoints
    ]
    if not lines:
        lines.append("no checkpoint yet")
    events = f"events: {whole_text(found.events)} read"
    if found.bad_rows:
        events += f", {found.bad_rows} broken rows"
    if found.missing_rows:
        events += f", {found.missing_rows} missing"
    lines.append(events)
    if found.model_problem:
        lines.append(f"model: {show_line(found.model_problem, 300)}")
    return [*lines, "everything is as it was written" if found.ok else "something is wrong"]
