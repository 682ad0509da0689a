"""Shapes, workloads and machines: what the planner and its callers are tested with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from trainer_core.plan.degrees import degrees_of
from trainer_core.plan.types import Hardware, Layout, ModelShape, Workload
from trainer_core.run.config.catalog import require_model


@pytest.fixture
def shape_of() -> Callable[[str], ModelShape]:
    """Return the shape of a preset."""

    def find(id: str) -> ModelShape:
        shape = require_model(id).shape
        assert shape is not None
        return shape

    return find


@pytest.fixture
def make_workload(shape_of: Callable[[str], ModelShape]) -> Callable[..., Workload]:
    """Return a maker of workloads: full fine-tuning of 111M in bf16 unless said otherwise."""

    def make(model: str = "cerebras-gpt-111m", **fields: Any) -> Workload:
        values = {"method": "full", "sequence_length": 1024, "global_batch_size": 16, **fields}
        return Workload(shape=shape_of(model), **values)

    return make


@pytest.fixture
def make_layout() -> Callable[..., Layout]:
    """Return a maker of layouts: one device, one sequence at a time."""

    def make(**fields: Any) -> Layout:
        degrees = degrees_of(fields.pop("devices", 1), strategy=fields.pop("strategy", "auto"))
        again = fields.pop("recomputation", "none") == "blocks"
        values = {
            "degrees": degrees,
            "micro_batch_size": 1,
            "gradient_accumulation_steps": 16,
            # As many as any model has.
            "recomputed_blocks": 1_000 if again else 0,
            **fields,
        }
        return Layout(**values)

    return make


@pytest.fixture
def h100s() -> Callable[[int], Hardware]:
    """Return a maker of machines with some H100."""
    return lambda devices: Hardware(
        kind="nvidia",
        name="NVIDIA H100 80GB HBM3",
        devices=devices,
        memory_bytes=79 << 30,
        device_memory_gb=80,
        matmul_flops=989e12,
        memory_bandwidth=3.35e12,
        link_bandwidth=450e9,
    )


@pytest.fixture
def laptop() -> Hardware:
    """Return a processor of two cores with 8 GB."""
    return Hardware(
        kind="cpu",
        name="CPU",
        devices=1,
        memory_bytes=7 << 30,
        device_memory_gb=8,
        matmul_flops=161e9,
        memory_bandwidth=20e9,
        link_bandwidth=2e9,
    )
