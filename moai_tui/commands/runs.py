"""`moai-tui runs`: every run on this machine, newest first."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from moai_tui.commands.output import write_json, write_line, write_table
from moai_tui.formatting import UNKNOWN, age_text, bytes_text, loss_text, whole_text
from trainer_core.foreign_text import show_line
from trainer_core.run.overview.summarize import list_runs
from trainer_core.run.record.summary import RunSummary
from trainer_core.run.storage.cleaning import size_of

HEADER = (
    *("RUN", "NAME", "STATE", "STEP", "LOSS", "EVAL", "TOKENS/S", "AGE", "DISK"),
    *("MODEL", "DATASET"),
)
ALIGN = "lllrrrrrrll"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("runs")(runs)


def runs(
    json: Annotated[bool, typer.Option("--json", help="A JSON list of summaries.")] = False,
) -> None:
    """List the runs on this machine."""
    found = list_runs()
    if json:
        write_json([with_disk(run, size_of(Path(run.path))) for run in found])
        return
    if not found:
        write_line("No runs yet. Start one: moai-tui train, or press n in moai-tui.")
        return
    now = time.time()
    write_table(HEADER, [_row(run, now) for run in found], ALIGN)


def state_text(run: RunSummary) -> str:
    """Return the state with what goes with it: stalled, or the host of a run elsewhere."""
    if run.stalled is not None:
        return f"{run.state}, rank {run.stalled.rank} stalled"
    return run.state


def with_disk(run: RunSummary, disk_bytes: int) -> dict[str, Any]:
    """Return a summary as JSON shows it, with the bytes its folder takes on the disk."""
    return {**msgspec.to_builtins(run), "disk_bytes": disk_bytes}


def _row(run: RunSummary, now: float) -> tuple[str, ...]:
    step = UNKNOWN if run.step is None else str(run.step)
    rate = run.tokens_per_second
    return (
        run.id,
        show_line(run.name, 24) if run.name else UNKNOWN,
        state_text(run),
        f"{step}/{run.total_steps}" if run.total_steps else step,
        loss_text(run.train_loss),
        loss_text(run.eval_loss),
        UNKNOWN if rate is None else whole_text(round(rate)),
        age_text(now - run.created),
        bytes_text(size_of(Path(run.path))),
        show_line(run.model, 32),
        show_line(run.dataset, 40),
    )
