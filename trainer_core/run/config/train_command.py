"""The command line that starts the same run as a configuration."""

from __future__ import annotations

import shlex

import msgspec

from trainer_core.run.config.fields import differing_fields, value_of
from trainer_core.run.config.run_config import RunConfig

FLAGS = (
    "model",
    "from_scratch",
    "dataset",
    "eval_dataset",
    "size",
    "devices",
    "method",
    "sequence_length",
    "global_batch_size",
    "learning_rate",
    "steps",
    "epochs",
    "seed",
    "name",
    "skip_bad_rows",
    "time_limit",
)
"""Fields with a flag of their own; the rest goes through `--set section.field=value`."""


def train_command(config: RunConfig) -> str:
    """Return `moai-tui train …` for this configuration, quoted for a shell.

    Only what differs from the defaults is said, so the line stays readable.
    """
    words = ["moai-tui", "train"]
    differing = differing_fields(config, RunConfig())
    for field in sorted(differing, key=lambda name: (name not in FLAGS, _place(name))):
        value = value_of(config, field)
        if field not in FLAGS:
            words += ["--set", f"{field}={_setting(value)}"]
            continue
        flag = "--" + field.replace("_", "-")
        words += [flag] if value is True else [flag, _argument(value)]
    return shlex.join(words)


def _place(field: str) -> int:
    return FLAGS.index(field) if field in FLAGS else 0


def _argument(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _setting(value: object) -> str:
    """Return text that is read back as the same value."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
