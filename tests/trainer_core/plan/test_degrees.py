from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from trainer_core.errors import ConfigError
from trainer_core.plan.degrees import (
    Degrees,
    degrees_of,
    divisors,
    nearest_divisor,
    shape_problem,
)
from trainer_core.plan.types import ModelShape


@pytest.mark.parametrize(
    ("degrees", "kind", "strategy", "words"),
    [
        (Degrees(), "single", "single", "one device"),
        (Degrees(replicas=4), "ddp", "ddp", "data parallel"),
        (Degrees(shards=4), "fsdp", "fsdp", "sharded data parallel"),
        (Degrees(replicas=2, shards=4), "hsdp", "fsdp", "2 copies, each sharded over 4"),
        (
            Degrees(shards=4, tensor=2),
            "tensor+fsdp",
            "fsdp",
            "tensor parallel over 2 × sharded over 4",
        ),
        (
            Degrees(replicas=8, stages=4),
            "pipeline+ddp",
            "ddp",
            "4 pipeline stages × 8 copies",
        ),
        (Degrees(context=2), "context", "single", "context parallel over 2"),
    ],
)
def test_a_split_has_a_name(degrees: Degrees, kind: str, strategy: str, words: str) -> None:
    assert (degrees.kind, degrees.strategy, degrees.words) == (kind, strategy, words)


@pytest.mark.parametrize(
    ("devices", "asked", "degrees"),
    [
        (4, {}, Degrees(shards=4)),
        (1, {}, Degrees()),
        (4, {"strategy": "ddp"}, Degrees(replicas=4)),
        (4, {"strategy": "fsdp", "shard": 2}, Degrees(replicas=2, shards=2)),
        (8, {"tensor": 2, "pipeline": 2, "context": 2}, Degrees(tensor=2, stages=2, context=2)),
    ],
)
def test_a_configuration_names_a_split(
    devices: int, asked: dict[str, Any], degrees: Degrees
) -> None:
    assert degrees_of(devices, **asked) == degrees
    assert degrees.devices == devices


@pytest.mark.parametrize(
    ("devices", "asked", "field", "fix"),
    [
        (4, {"tensor": 3}, "parallel.tensor", "use 2"),
        (2, {"pipeline": 4}, "parallel.pipeline", "use 2"),
        (6, {"shard": 4}, "parallel.shard", "use 3"),
        (2, {"strategy": "single"}, "parallel.strategy", "write auto, ddp or fsdp"),
        (2, {"strategy": "ddp", "shard": 2}, "parallel.shard", "write strategy: fsdp"),
    ],
)
def test_what_does_not_multiply_says_what_would(
    devices: int, asked: dict[str, Any], field: str, fix: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        degrees_of(devices, **asked)
    assert (caught.value.field, caught.value.fix) == (field, fix)


@pytest.mark.parametrize(
    ("degrees", "field"),
    [
        (Degrees(tensor=5), "parallel.tensor"),
        (Degrees(stages=64), "parallel.pipeline"),
        (Degrees(context=3), "parallel.context"),
        (Degrees(tensor=4, stages=4, context=2), None),
    ],
)
def test_a_model_that_cannot_be_split_so_says_what_can(
    shape_of: Callable[[str], ModelShape], degrees: Degrees, field: str | None
) -> None:
    problem = shape_problem(degrees, shape_of("cerebras-gpt-111m"), 1024)
    assert (problem.field if problem else None) == field


def test_divisors_of_a_number() -> None:
    assert divisors(12) == (1, 2, 3, 4, 6, 12)
    assert nearest_divisor(5, 12) == 4
    assert nearest_divisor(100, 12) == 12
