"""`moai-tui stop RUN`: the run saves itself and ends, and this command waits for it."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from moai_tui.commands.output import write_json, write_line
from moai_tui.commands.run_lines import answer_text
from moai_tui.commands.show import Run
from trainer_core.errors import UserError
from trainer_core.run.control import send_request, wait_for_answer
from trainer_core.run.directory import RunDirectory, find_run, read_exit
from trainer_core.run.identity import processes_of_run
from trainer_core.run.process import liveness
from trainer_core.run.summarize import summarize

POLL_SECONDS = 0.1
ANSWER_SECONDS = 3600.0
"""A step may be long, and the supervisor ends a rank that is stuck; its word comes first."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("stop")(stop)


def stop(
    run: Run,
    json: Annotated[bool, typer.Option("--json", help="One JSON object at the end.")] = False,
) -> None:
    """Stop a run: it saves, every process ends, and this command says so."""
    directory = find_run(run)
    if liveness(directory) == "dead":
        state = summarize(directory).state
        raise UserError(f"run {directory.id} is not running (it is {state}); nothing to stop")
    request = send_request(directory.path, "stop")
    answer = wait_for_answer(directory.path, request, ANSWER_SECONDS)
    if answer is not None and not json:
        write_line(answer_text(answer))
    _wait_for_the_end(directory)
    left = list(processes_of_run(directory.id))
    summary = summarize(directory)
    if json:
        write_json(
            {
                "id": directory.id,
                "state": summary.state,
                "step": answer.step if answer else None,
                "processes_left": left,
                "exit_code": summary.exit_code,
            }
        )
    else:
        gone = "every process has ended" if not left else f"processes {left} cannot be ended"
        write_line(f"Run {directory.id} is {summary.state} after step {summary.step or 0}; {gone}.")
    raise typer.Exit(0 if summary.state in ("stopped", "finished", "paused") and not left else 1)


def _wait_for_the_end(directory: RunDirectory) -> None:
    while liveness(directory) == "alive":
        time.sleep(POLL_SECONDS)
    while liveness(directory) == "elsewhere" and read_exit(directory) is None:
        time.sleep(POLL_SECONDS)
