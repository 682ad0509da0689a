"""`moai-tui export`: the Hugging Face folder of a run, converted and merged as asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from moai_tui.commands.generate import run_worker


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)


def export(
    source: Annotated[str, typer.Argument(help="Run, or folder with a model.")],
    directory: Annotated[Path, typer.Argument(help="New or empty folder.")],
    dtype: Annotated[
        Literal["fp32", "bf16", "fp16"] | None, typer.Option(help="Type of the weights.")
    ] = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Fold LoRA adapters into the weights.")
    ] = False,
) -> None:
    """Write one folder that stock transformers loads: weights, tokenizer, template, card."""
    arguments = [
        "export",
        *([f"--dtype={dtype}"] if dtype else []),
        *(["--merge"] if merge else []),
    ]
    target = str(directory.expanduser().absolute())
    raise typer.Exit(run_worker([*arguments, "--", source, target]))
