from __future__ import annotations

import pytest

from trainer_core.run.config.run_config import OptimizerConfig, RunConfig
from trainer_core.run.overview.comparison import differing_fields, speedups
from trainer_core.run.record.summary import RunSummary


def run_on(devices: int, speed: float | None, **fields: object) -> tuple[RunConfig, RunSummary]:
    summary = RunSummary(
        id="x", name=None, path="/x", state="finished", tokens_per_second=speed,
        devices=tuple(f"card-{number}" for number in range(devices)),
    )  # fmt: skip
    return RunConfig(**fields), summary  # type: ignore[arg-type]


def test_only_what_differs_is_listed_by_its_dotted_name() -> None:
    one = RunConfig(steps=100, optimizer=OptimizerConfig(warmup_steps=5))
    other = RunConfig(learning_rate=1e-4, optimizer=OptimizerConfig(warmup_steps=7))
    assert dict(differing_fields((one, other))) == {
        "steps": ("100", "–"),
        "learning_rate": ("–", "0.0001"),
        "optimizer.warmup_steps": ("5", "7"),
    }
    assert differing_fields((one, one)) == []


def test_runs_that_differ_in_size_alone_have_a_speed_up() -> None:
    one = run_on(1, 100.0, size="Small")
    two = run_on(2, 186.0, size="Medium", micro_batch_size=4)
    other_task = run_on(4, 300.0, size="Large", steps=7)
    (found,) = speedups([two, one, other_task])
    assert (found.slow, found.fast, found.fast_devices) == (1, 0, 2)
    assert found.factor == pytest.approx(1.86)
    assert found.efficiency == pytest.approx(0.93)


def test_without_speeds_or_with_one_size_nothing_is_claimed() -> None:
    assert speedups([run_on(1, 100.0), run_on(2, None)]) == []
    assert speedups([run_on(1, 100.0), run_on(1, 90.0)]) == []
    assert speedups([]) == []
