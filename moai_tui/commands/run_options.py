"""Flags that describe a run, shared by `train` and `plan`, and the configuration they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from trainer_core.errors import UserError
from trainer_core.foreign_text import show_line
from trainer_core.run.config.config_file import load_config, override
from trainer_core.run.config.run_config import RunConfig

# Numbers are taken as text: `override` finds every wrong one at once and says how to mend it.
Config = Annotated[
    str | None, typer.Argument(metavar="CONFIG", help="YAML file, run folder or preset id.")
]
Model = Annotated[str | None, typer.Option("--model", help="Preset id, hub id or folder.")]
FromScratch = Annotated[
    bool, typer.Option("--from-scratch", help="Same architecture, fresh weights.")
]
Dataset = Annotated[
    str | None,
    typer.Option("--dataset", help="python-stdlib, python:PATH, hub id, file or folder."),
]
EvalDataset = Annotated[
    str | None, typer.Option("--eval-dataset", help="Held-out rows; default: a share of the data.")
]
Size = Annotated[str | None, typer.Option("--size", help="Accelerator size, e.g. Small, xLarge.")]
Devices = Annotated[
    str | None, typer.Option("--devices", help="Numbers or UUIDs, comma-separated.")
]
Method = Annotated[str | None, typer.Option("--method", help="full, lora or qlora.")]
SequenceLength = Annotated[
    str | None, typer.Option("--sequence-length", help="Tokens in one packed row.")
]
GlobalBatchSize = Annotated[
    str | None, typer.Option("--global-batch-size", help="Sequences per optimizer step.")
]
LearningRate = Annotated[str | None, typer.Option("--learning-rate", help="Peak rate, e.g. 1e-5.")]
Steps = Annotated[str | None, typer.Option("--steps", help="Optimizer steps.")]
Epochs = Annotated[str | None, typer.Option("--epochs", help="Passes over the data.")]
Seed = Annotated[str | None, typer.Option("--seed", help="Same seed, same losses.")]
Name = Annotated[str | None, typer.Option("--name", help="Name of the run; must be free.")]
SkipBadRows = Annotated[
    bool, typer.Option("--skip-bad-rows", help="Leave broken rows out and count them.")
]
TimeLimit = Annotated[
    str | None, typer.Option("--time-limit", help="Stop and save in time, e.g. 1h50m.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Any other field, e.g. checkpoint.keep=3."),
]
Slurm = Annotated[
    bool, typer.Option("--slurm", help="Print a Slurm script for the run, start nothing.")
]
GpusPerNode = Annotated[
    int, typer.Option("--gpus-per-node", min=1, help="Devices of one node, for --slurm.")
]

FLAG_FIELDS = (
    *("model", "from_scratch", "dataset", "eval_dataset", "size", "devices", "method"),
    *("sequence_length", "global_batch_size", "learning_rate", "steps", "epochs", "seed"),
    *("name", "skip_bad_rows", "time_limit"),
)
"""Fields of a configuration that have a flag of their own, with the flag's name."""


def configuration(
    source: str | None, flags: Mapping[str, str | bool | None], settings: Sequence[str] = ()
) -> RunConfig:
    """Return the configuration that a file or preset and flags describe.

    Args:
        source: YAML file, run folder or preset; None begins with the defaults.
        flags: Top-level field → text, or True; what was not given (None, False) is left alone.
        settings: `section.field=value`, applied last.

    Raises:
        UserError: Every wrong name and value.
    """
    config = load_config(source) if source is not None else RunConfig()
    changes: dict[str, str] = {}
    for field, value in flags.items():
        if value is True:
            changes[field] = "true"
        elif isinstance(value, str):
            changes[field] = value
    for setting in settings:
        field, mark, value = setting.partition("=")
        if not mark:
            raise UserError(f"--set {show_line(setting, 80)}: write it as section.field=value")
        changes[field.strip()] = value.strip()
    return override(config, changes) if changes else config
