from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from trainer_core.plan.shapes import shape_from_hf_config
from trainer_core.plan.speed import attended_length, flops_per_token, predict_step_seconds
from trainer_core.plan.types import Hardware, Layout, ModelShape, Workload

Workloads = Callable[..., Workload]
Layouts = Callable[..., Layout]
Machines = Callable[[int], Hardware]


def test_operations_of_a_token_are_the_papers(shape_of: Callable[[str], ModelShape]) -> None:
    shape = shape_of("cerebras-gpt-13b")
    cost = flops_per_token(shape, "full", 1024)
    assert cost == 6 * shape.matmul_parameters + 12 * 40 * 5120 * 1024
    # The platform's tutorial size costs about 79.6 GFLOP a token at length 1024.
    assert cost == pytest.approx(79.6e9, rel=0.01)
    lora = flops_per_token(shape, "lora", 1024)
    assert 0.66 < lora / cost < 0.7


def test_documents_shorter_than_the_row_attend_less(make_workload: Workloads) -> None:
    assert attended_length(make_workload()) == 1024
    assert attended_length(make_workload(mean_document_length=200)) == 300
    assert attended_length(make_workload(mean_document_length=1000)) == 1024


def test_an_unknown_device_has_no_speed(
    make_workload: Workloads, make_layout: Layouts, h100s: Machines
) -> None:
    unknown = replace(h100s(1), matmul_flops=None)
    assert predict_step_seconds(make_workload(), unknown, make_layout()) is None


def test_measured_floors_are_met(
    make_workload: Workloads, make_layout: Layouts, h100s: Machines
) -> None:
    """Plain torch on one H100: 204,518 tokens/s at 111M, 27,560 to 39,031 at 1.3B."""
    small = make_workload()
    seconds = predict_step_seconds(
        small, h100s(1), make_layout(micro_batch_size=16, gradient_accumulation_steps=1)
    )
    assert seconds is not None
    assert 16 * 1024 / seconds == pytest.approx(204_518, rel=0.15)
    large = make_workload("cerebras-gpt-1.3b")
    seconds = predict_step_seconds(
        large, h100s(1), make_layout(micro_batch_size=8, gradient_accumulation_steps=2)
    )
    assert seconds is not None
    assert 27_560 < 16 * 1024 / seconds < 39_031


def test_recomputation_and_more_passes_cost_time(
    make_workload: Workloads, make_layout: Layouts, h100s: Machines
) -> None:
    workload, machine = make_workload("cerebras-gpt-1.3b"), h100s(1)
    plain = predict_step_seconds(workload, machine, make_layout())
    again = predict_step_seconds(workload, machine, make_layout(recomputation="blocks"))
    larger = predict_step_seconds(
        workload, machine, make_layout(micro_batch_size=4, gradient_accumulation_steps=4)
    )
    assert plain is not None
    assert again is not None
    assert larger is not None
    assert larger < plain < again


def test_another_node_is_a_slower_way(
    make_workload: Workloads, make_layout: Layouts, h100s: Machines
) -> None:
    workload = make_workload("cerebras-gpt-1.3b")
    layout = make_layout(devices=8, strategy="fsdp", gradient_accumulation_steps=2)
    near = predict_step_seconds(workload, h100s(8), layout)
    nodes = replace(h100s(8), devices_per_node=4, node_link_bandwidth=3e9)
    far = predict_step_seconds(workload, nodes, layout)
    assert near is not None
    assert far is not None
    assert far > 2 * near


def test_a_step_on_a_processor_takes_what_was_measured(
    make_layout: Layouts, laptop: Hardware
) -> None:
    config = {"model_type": "gpt2", "n_layer": 4, "n_embd": 192, "n_head": 6, "vocab_size": 2048}
    shape = shape_from_hf_config({**config, "n_positions": 1024})
    assert shape is not None
    workload = Workload(
        shape=shape, method="full", precision="fp32", sequence_length=256, global_batch_size=8
    )
    one = predict_step_seconds(
        workload, laptop, make_layout(micro_batch_size=8, gradient_accumulation_steps=1)
    )
    assert one is not None
    # 0.53 s of CPU time on one Zen 3 core with twice the words, November 2026.
    assert one == pytest.approx(0.24, rel=0.15)
