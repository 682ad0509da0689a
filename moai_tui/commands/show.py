"""`moai-tui show RUN`: one run in numbers."""

from __future__ import annotations

from typing import Annotated

import typer

from moai_tui.commands.output import write_json, write_pairs
from moai_tui.commands.run_lines import change_text, run_label
from moai_tui.commands.runs import state_text, with_disk
from moai_tui.formatting import (
    bytes_text,
    clock_text,
    duration_text,
    eta_text,
    fraction_text,
    loss_text,
    rate_text,
)
from trainer_core.foreign_text import show_line
from trainer_core.run.overview.summarize import summarize
from trainer_core.run.record.directory import find_run
from trainer_core.run.record.summary import RunSummary
from trainer_core.run.storage.cleaning import size_of

Run = Annotated[str, typer.Argument(metavar="RUN", help="Name, id or its unique beginning.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("show")(show)


def show(
    run: Run,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show a run's state and numbers."""
    directory = find_run(run)
    summary = summarize(directory)
    disk_bytes = size_of(directory.path)
    if json:
        write_json(with_disk(summary, disk_bytes))
        return
    write_pairs([*_pairs(summary), ("Disk", bytes_text(disk_bytes))])


def _pairs(run: RunSummary) -> list[tuple[str, str]]:
    reason = f": {show_line(run.exit_reason, 500)}" if run.exit_reason else ""
    waits = f" ({show_line(run.waits_for, 300)})" if run.waits_for else ""
    memory = bytes_text(run.peak_memory_bytes)
    if run.predicted_memory_bytes:
        memory += f" (predicted {bytes_text(run.predicted_memory_bytes)})"
    step = "" if run.step is None else f"{run.step}/{run.total_steps or '?'}"
    known = run.tokens_per_second is not None
    checkpoint = run.last_checkpoint_step
    return [
        ("Run", run_label(run)),
        ("State", f"{state_text(run)}{reason}{waits}"),
        ("Phase", run.phase or ""),
        ("Host", show_line(run.host, 100) if run.host else ""),
        ("Model", show_line(run.model, 200)),
        ("Dataset", show_line(run.dataset, 200)),
        ("Method", run.method),
        ("Size", run.size or ""),
        ("Plan", show_line(run.plan, 200) if run.plan else ""),
        ("Started", clock_text(run.created)),
        ("Step", step),
        ("Train loss", loss_text(run.train_loss) if run.train_loss is not None else ""),
        ("Eval loss", change_text(run.first_eval_loss, run.eval_loss, loss_text)),
        ("Speed", rate_text(run.tokens_per_second, "tokens") if known else ""),
        ("MFU", fraction_text(run.mfu) if run.mfu is not None else ""),
        ("Peak memory", memory if run.peak_memory_bytes else ""),
        ("First step", _seconds(run.time_to_first_step_seconds)),
        ("Elapsed", _seconds(run.elapsed_seconds)),
        ("Ends", eta_text(run.eta_seconds) if run.eta_seconds is not None else ""),
        ("Checkpoint", f"step {checkpoint}" if checkpoint is not None else ""),
        ("Saved model", show_line(run.model_path, 500) if run.model_path else ""),
        ("Folder", show_line(run.path, 500)),
    ]


def _seconds(seconds: float | None) -> str:
    return duration_text(seconds) if seconds is not None else ""
