"""MFU as it is defined, and clocks that count steps only."""

from __future__ import annotations

import pytest
import torch

from trainer_core.engine import metrics
from trainer_core.engine.model import TINY_SHAPE

CPU = torch.device("cpu")


def test_mfu_is_products_over_peak():
    work = metrics.StepWork(
        tokens=1000, padded_tokens=1200, counted_tokens=500, squared_lengths=200_000
    )
    mfu = metrics.model_flops_utilization(
        TINY_SHAPE, "full", work, seconds=0.5, devices=2, peak_flops=1e12
    )
    flops = 6 * TINY_SHAPE.matmul_parameters + 12 * TINY_SHAPE.layers * TINY_SHAPE.width * 200
    assert mfu == pytest.approx(flops * 1000 / 0.5 / 2e12)


def test_an_unknown_peak_is_an_unknown_mfu():
    work = metrics.StepWork(tokens=10, padded_tokens=10, counted_tokens=5, squared_lengths=100)
    assert metrics.peak_flops_of(CPU) is None
    assert (
        metrics.model_flops_utilization(
            TINY_SHAPE, "full", work, seconds=1, devices=1, peak_flops=None
        )
        is None
    )


def test_the_clock_leaves_out_what_lies_between_restart_and_border(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(metrics.time, "perf_counter", lambda: now[0])
    clock = metrics.clock_for(CPU)
    for moment, action in ((1.0, "restart"), (3.0, "border"), (3.5, "border")):
        now[0] = moment
        getattr(clock, action)()
    assert clock.seconds() == 0.5
    now[0] = 9.0
    clock.restart()
    now[0] = 9.25
    clock.border()
    assert clock.seconds() == 0.25


def test_a_cpu_is_called_cpu():
    assert metrics.device_name(CPU) == "cpu"
