"""`moai-tui data SOURCE`: what the model will see of a dataset, read by a worker process."""

from __future__ import annotations

from typing import Annotated

import typer

from moai_tui.commands.generate import run_worker


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("data")(data)


def data(
    source: Annotated[
        str, typer.Argument(help="python-stdlib, python:PATH, hub id, file or folder.")
    ],
    model: Annotated[
        str | None, typer.Option(help="Whose tokenizer counts and whose prompts are used.")
    ] = None,
    sequence_length: Annotated[str | None, typer.Option(help="Tokens in one packed row.")] = None,
    eval_dataset: Annotated[str | None, typer.Option(help="Held-out rows.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="E.g. data.output_column=answer."),
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="Run configuration whose section data is used.")
    ] = None,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Leave broken rows out and count them.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show format, columns, three rows as the model sees them, tokens, lengths and errors."""
    options = {
        "--model": model,
        "--sequence-length": sequence_length,
        "--eval-dataset": eval_dataset,
        "--config": config,
    }
    arguments = ["data"]
    arguments += [f"{name}={value}" for name, value in options.items() if value is not None]
    arguments += [f"--set={setting}" for setting in settings or []]
    arguments += ["--skip-bad-rows"] if skip_bad_rows else []
    arguments += ["--json"] if json else []
    raise typer.Exit(run_worker([*arguments, "--", source]))
