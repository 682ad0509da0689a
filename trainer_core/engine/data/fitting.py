"""The sequence length of a configuration that leaves it open, as the run will have it."""

from __future__ import annotations

from trainer_core.accelerators.inventory import read_devices
from trainer_core.engine.data.lengths import DEFAULT_SEQUENCE_LENGTH
from trainer_core.errors import UserError
from trainer_core.plan.hardware import hardware_from
from trainer_core.plan.types import ModelShape
from trainer_core.run.config.catalog import require_model
from trainer_core.run.config.data_report import DataReport
from trainer_core.run.config.defaults import choose_length
from trainer_core.run.config.run_config import RunConfig


def fitting_length(config: RunConfig, report: DataReport | None = None) -> int:
    """Return the tokens of a packed row: what is written, else the default of model and device.

    Args:
        config: Of the run.
        report: Of its dataset, once it was counted at any length.
    """
    if config.sequence_length is not None:
        return config.sequence_length
    shape = _shape(config)
    if shape is None:
        return DEFAULT_SEQUENCE_LENGTH
    hardware = hardware_from(read_devices().devices, config.precision)
    length, _ = choose_length(config, shape, hardware.kind if hardware else "cpu", report)
    return length


def advice_on_length(config: RunConfig, longest: int) -> str:
    """Return what to do where every row is too long, as an imperative.

    Args:
        config: Of the run; its model's context is the end of what can be asked for.
        longest: Tokens of the longest row.
    """
    shape = _shape(config)
    if shape is not None and longest > shape.context:
        return f"set data.truncate to true: the model takes {shape.context} tokens at most"
    return f"set sequence_length to {longest}, or data.truncate to true"


def _shape(config: RunConfig) -> ModelShape | None:
    try:
        return require_model(config.model, config.worker.python).shape
    except UserError:
        return None  # told where the tokenizer is loaded
