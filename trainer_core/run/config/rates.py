"""The learning rate a run gets by default: a table by method and model size."""

from __future__ import annotations

from trainer_core.plan.types import ModelShape
from trainer_core.run.config.run_config import RunConfig

_FROM_SCRATCH = (
    (10_000_000, 3e-3),
    (200_000_000, 6e-4),
    (500_000_000, 3e-4),
    (1_000_000_000, 2.5e-4),
    (2_000_000_000, 2e-4),
    (5_000_000_000, 1.6e-4),
)
_FROM_SCRATCH_LARGEST = 1e-4
# Source: table 2.1 of the GPT-3 paper (arXiv 2005.14165) from 125 M on; below by trial on the
# built-in model.

_FULL = ((50_000_000, 3e-4), (200_000_000, 1e-4), (1_000_000_000, 5e-5), (3_000_000_000, 2e-5))
_FULL_LARGEST = 1e-5

_LORA = ((10_000_000_000, 2e-4),)
_LORA_LARGEST = 1e-4


def choose_rate(config: RunConfig, shape: ModelShape) -> tuple[float, str]:
    """Return the default learning rate and its reason in a few words."""
    size = _size(shape.parameters)
    if config.from_scratch:
        rate = _row(_FROM_SCRATCH, shape.parameters, _FROM_SCRATCH_LARGEST)
        return rate, f"usual for fresh weights of {size}"
    if config.method != "full":
        rate = _row(_LORA, shape.parameters, _LORA_LARGEST)
        return rate, f"usual for adapters on {size}; they take ten times a full fine-tune's"
    rate = _row(_FULL, shape.parameters, _FULL_LARGEST)
    return rate, f"usual for a full fine-tune of {size}"


def _row(table: tuple[tuple[int, float], ...], parameters: int, largest: float) -> float:
    return next((rate for below, rate in table if parameters < below), largest)


def _size(parameters: int) -> str:
    if parameters < 1_000_000_000:
        return f"{parameters / 1e6:.0f} M parameters"
    return f"{parameters / 1e9:.1f} B parameters"
