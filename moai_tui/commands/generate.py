"""`moai-tui generate`: text from a run, a checkpoint or any model folder, in a worker process."""

from __future__ import annotations

import os
import subprocess
from typing import Annotated

import typer

from moai_tui.commands.whole_number import whole_number
from trainer_core.run.processes.process import core_command, core_environment


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("generate")(generate)


def run_worker(arguments: list[str]) -> int:
    """Run `trainer_core` in the worker's interpreter on this terminal; return its exit code."""
    command = core_command(*arguments, python=os.environ.get("MOAI_TUI_WORKER_PYTHON"))
    environment = core_environment()
    environment.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    environment.setdefault("TOKENIZERS_PARALLELISM", "false")
    with subprocess.Popen(command, env=environment) as worker:
        while True:
            try:
                code = worker.wait()
            except KeyboardInterrupt:
                # The terminal has sent the interrupt to the worker too; it ends by itself.
                continue
            return 130 if code == -2 else code


def generate(
    source: Annotated[str, typer.Argument(help="Run, folder with a model, or hub id.")],
    prompt: Annotated[
        list[str] | None,
        typer.Option(help="What to ask; may be given several times. Default: the tutorial's."),
    ] = None,
    base: Annotated[
        bool, typer.Option("--base", help="Ask the model the run started from.")
    ] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Do not wrap the prompt as the run was trained.")
    ] = False,
    new_tokens: Annotated[
        int,
        typer.Option(parser=whole_number("--new-tokens", 1), help="Most tokens of an answer."),
    ] = 256,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a prompt.")] = False,
) -> None:
    """Generate text; the prompt is wrapped as the run was trained."""
    arguments = ["generate", f"--new-tokens={new_tokens}"]
    arguments += [f"--prompt={text}" for text in prompt or []]
    arguments += [flag for flag, on in (("--base", base), ("--raw", raw), ("--json", json)) if on]
    raise typer.Exit(run_worker([*arguments, "--", source]))
