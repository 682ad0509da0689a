from __future__ import annotations

from dataclasses import replace

import pytest

from trainer_core.plan.types import ModelShape
from trainer_core.run.config.catalog import require_model
from trainer_core.run.config.rates import choose_rate
from trainer_core.run.config.run_config import RunConfig


def _shape(parameters: int) -> ModelShape:
    shape = require_model("tiny").shape
    assert shape is not None
    return replace(shape, parameters=parameters)


@pytest.mark.parametrize(
    ("config", "parameters", "rate", "reason"),
    [
        (RunConfig(), 7_600_000, 3e-4, "usual for a full fine-tune of 8 M parameters"),
        (
            RunConfig(from_scratch=True),
            7_600_000,
            3e-3,
            "usual for fresh weights of 8 M parameters",
        ),
        (
            RunConfig(model="x", from_scratch=True),
            111_000_000,
            6e-4,
            "usual for fresh weights of 111 M parameters",
        ),
        (
            RunConfig(model="x"),
            111_000_000,
            1e-4,
            "usual for a full fine-tune of 111 M parameters",
        ),
        (
            RunConfig(model="x"),
            13_000_000_000,
            1e-5,
            "usual for a full fine-tune of 13.0 B parameters",
        ),
        (
            RunConfig(model="x", method="lora"),
            1_300_000_000,
            2e-4,
            "usual for adapters on 1.3 B parameters; they take ten times a full fine-tune's",
        ),
    ],
)
def test_a_rate_comes_with_its_reason(
    config: RunConfig, parameters: int, rate: float, reason: str
) -> None:
    assert choose_rate(config, _shape(parameters)) == (rate, reason)


@pytest.mark.parametrize(
    "config",
    [RunConfig(model="x"), RunConfig(model="x", from_scratch=True), RunConfig(method="lora")],
)
def test_larger_models_never_take_larger_rates(config: RunConfig) -> None:
    config = RunConfig(model="x", method=config.method, from_scratch=config.from_scratch)
    sizes = [10**exponent for exponent in range(6, 12)]
    rates = [choose_rate(config, _shape(size))[0] for size in sizes]
    assert rates == sorted(rates, reverse=True)
