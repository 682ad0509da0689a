"""`moai-tui stop RUN`: the run saves itself and ends, and this command waits for it."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from moai_tui.commands.output import write_json, write_line
from moai_tui.commands.run_lines import answer_text
from moai_tui.commands.show import Run
from moai_tui.commands.steering import asked, living_run
from trainer_core.foreign_text import show_line
from trainer_core.run.overview.summarize import summarize
from trainer_core.run.processes.identity import processes_of_run
from trainer_core.run.processes.process import liveness
from trainer_core.run.record.directory import RunDirectory, read_exit

POLL_SECONDS = 0.1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("stop")(stop)


def stop(
    run: Run,
    now: Annotated[
        bool, typer.Option("--now", help="End at once, without a save; checkpoints stay.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object at the end.")] = False,
) -> None:
    """Stop a run: it saves, every process ends, and this command says so."""
    directory = living_run(run, "stop")
    answer = asked(directory, "stop", now=now)
    if not json:
        write_line(answer_text(answer))
    wait_for_the_end(directory)
    left = list(processes_of_run(directory.id))
    summary = summarize(directory)
    if json:
        write_json(
            {
                "id": directory.id,
                "state": summary.state,
                "step": answer.step,
                "processes_left": left,
                "exit_code": summary.exit_code,
            }
        )
    else:
        gone = "every process has ended" if not left else f"processes {left} cannot be ended"
        reason = f" ({show_line(summary.exit_reason, 300)})" if summary.exit_reason else ""
        write_line(
            f"Run {directory.id} is {summary.state}{reason} after step {summary.step or 0}; {gone}."
        )
    raise typer.Exit(0 if summary.state in ("stopped", "finished", "paused") and not left else 1)


def wait_for_the_end(directory: RunDirectory) -> None:
    """Wait until a run's supervisor has written how it ended, here or on its own host."""
    while liveness(directory) == "alive":
        time.sleep(POLL_SECONDS)
    while liveness(directory) == "elsewhere" and read_exit(directory) is None:
        time.sleep(POLL_SECONDS)
