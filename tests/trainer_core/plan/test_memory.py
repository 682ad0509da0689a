from __future__ import annotations

from collections.abc import Callable

import pytest

from trainer_core.plan.memory import lora_parameters, predict_memory, trained_parameters
from trainer_core.plan.shapes import shape_from_hf_config
from trainer_core.plan.types import Layout, ModelShape, Workload

GIB = 2**30
Workloads = Callable[..., Workload]
Layouts = Callable[..., Layout]


def test_fp32_weights_gradients_and_states_are_sixteen_bytes_a_parameter(
    make_workload: Workloads, make_layout: Layouts
) -> None:
    workload = make_workload(precision="fp32")
    split = predict_memory(workload, make_layout(), on_cpu=True)
    parameters = workload.shape.parameters
    assert (split.weights, split.gradients, split.optimizer) == (
        4 * parameters,
        4 * parameters,
        8 * parameters,
    )
    assert split.communication == 0
    assert split.total == sum(
        getattr(split, name)
        for name in (
            "weights",
            "gradients",
            "optimizer",
            "activations",
            "logits",
            "communication",
            "runtime",
        )
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("model", ["tiny", "cerebras-gpt-1.3b", "smollm2-135m", "qwen3-0.6b"])
@pytest.mark.parametrize("recomputation", ["none", "blocks"])
def test_more_at_a_time_and_longer_rows_take_more(
    make_workload: Workloads,
    make_layout: Layouts,
    precision: str,
    model: str,
    recomputation: str,
) -> None:
    totals = [
        predict_memory(
            make_workload(model, precision=precision, sequence_length=length),
            make_layout(micro_batch_size=micro, recomputation=recomputation),
            on_cpu=False,
        ).total
        for length in (256, 512, 1024)
        for micro in (1, 2, 8)
    ]
    assert totals[0] < totals[1] < totals[2]
    assert totals[0] < totals[3] < totals[6]
    assert totals[2] < totals[5] < totals[8]


def test_recomputation_takes_less(make_workload: Workloads, make_layout: Layouts) -> None:
    workload = make_workload("cerebras-gpt-1.3b")
    kept = predict_memory(workload, make_layout(micro_batch_size=8), on_cpu=False)
    again = predict_memory(
        workload, make_layout(micro_batch_size=8, recomputation="blocks"), on_cpu=False
    )
    assert again.activations < kept.activations / 4
    assert again.weights == kept.weights


def test_sharding_divides_states_and_costs_buffers(
    make_workload: Workloads, make_layout: Layouts
) -> None:
    workload = make_workload("cerebras-gpt-13b")
    whole = predict_memory(workload, make_layout(devices=8, strategy="ddp"), on_cpu=False)
    shards = predict_memory(workload, make_layout(devices=8, strategy="fsdp"), on_cpu=False)
    assert shards.optimizer == pytest.approx(whole.optimizer / 8, rel=1e-6)
    assert shards.total < whole.total / 3
    assert shards.communication > whole.communication


def test_adapters_need_a_fraction(make_workload: Workloads, make_layout: Layouts) -> None:
    full = make_workload("cerebras-gpt-13b")
    lora = make_workload("cerebras-gpt-13b", method="lora")
    assert trained_parameters(lora) < trained_parameters(full) / 100
    split = predict_memory(lora, make_layout(), on_cpu=False)
    # 12.85 B frozen weights in bf16 are 23.9 GiB.
    assert 24 * GIB < split.weights < 25 * GIB
    assert split.optimizer < GIB


def test_frozen_weights_of_blocks_take_four_bits(
    make_workload: Workloads, make_layout: Layouts
) -> None:
    one_row = make_workload("cerebras-gpt-13b", method="qlora")
    split = predict_memory(one_row, make_layout(micro_batch_size=1), on_cpu=False)
    # 12.6 B weights at 4.5 bits, embeddings in bf16, adapters in fp32: 7.6 GiB; one row of 1,024
    # tokens without recomputation had its peak at 15.5 GiB (H100, November 2026).
    assert 7.2 * GIB < split.weights < 8.2 * GIB
    assert 0.85 < split.total / (15.5 * GIB) < 1.15


def test_adapters_are_counted_layer_by_layer(shape_of: Callable[[str], ModelShape]) -> None:
    gpt2, llama = shape_of("cerebras-gpt-111m"), shape_of("smollm2-135m")
    width = 768
    assert lora_parameters(gpt2, 8) == 10 * 8 * (
        (width + 3 * width) + (width + width) + 2 * (width + 4 * width)
    )
    narrow = 576 + 192
    assert lora_parameters(llama, 8) == 30 * 8 * (2 * narrow + 2 * (576 + 576) + 3 * (576 + 1536))


def test_logits_never_exist_as_a_whole(make_workload: Workloads, make_layout: Layouts) -> None:
    one = predict_memory(make_workload(), make_layout(micro_batch_size=1), on_cpu=False)
    many = predict_memory(make_workload(), make_layout(micro_batch_size=16), on_cpu=False)
    # 15 × 1024 more tokens; their logits in fp32 alone would be 2.9 GiB.
    assert many.logits - one.logits < 0.1 * GIB


def gpt2(layers: int, width: int) -> ModelShape:
    """A GPT-2 with 2,048 words, as the runs below had it."""
    heads = {"n_layer": layers, "n_embd": width, "n_head": width // (64 if width % 64 == 0 else 32)}
    found = shape_from_hf_config(
        {"model_type": "gpt2", **heads, "vocab_size": 2048, "n_positions": 1024}
    )
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("micro", "length", "recomputation", "measured_mib"),
    [
        (1, 256, "none", 445),
        (8, 256, "none", 549),
        (8, 512, "none", 698),
        (16, 1024, "none", 1600),
        (16, 1024, "blocks", 1330),
    ],
)
def test_a_processors_peak_is_what_was_measured(
    make_layout: Layouts, micro: int, length: int, recomputation: str, measured_mib: int
) -> None:
    """Peak resident sizes of real runs of 4 x 192 on two Zen 3 cores, November 2026."""
    workload = Workload(
        shape=gpt2(4, 192),
        method="full",
        precision="fp32",
        sequence_length=length,
        global_batch_size=16,
    )
    layout = make_layout(micro_batch_size=micro, recomputation=recomputation)
    split = predict_memory(workload, layout, on_cpu=True)
    assert split.total / 2**20 == pytest.approx(measured_mib, rel=0.07)


@pytest.mark.parametrize(
    ("layers", "width", "method", "strategy", "length", "measured_mib"),
    [
        (4, 256, "full", "auto", 256, 553),
        (4, 256, "full", "auto", 512, 640),
        (8, 512, "full", "auto", 256, 1328),
        (8, 512, "full", "auto", 512, 1654),
        (4, 256, "lora", "auto", 512, 666),
        (4, 192, "full", "ddp", 256, 501),
        (8, 512, "full", "ddp", 256, 1295),
        (4, 192, "full", "fsdp", 256, 525),
        (8, 512, "full", "fsdp", 256, 1405),
    ],
)
def test_larger_models_and_two_ranks_take_what_was_measured(
    make_layout: Layouts,
    layers: int,
    width: int,
    method: str,
    strategy: str,
    length: int,
    measured_mib: int,
) -> None:
    """Runs with 4 rows at a time and a checkpoint after step 1, of one rank or of two."""
    workload = Workload(
        shape=gpt2(layers, width),
        method=method,  # type: ignore[arg-type]
        precision="fp32",
        sequence_length=length,
        global_batch_size=4,
    )
    devices = 1 if strategy == "auto" else 2
    layout = make_layout(micro_batch_size=4, devices=devices, strategy=strategy)
    split = predict_memory(workload, layout, on_cpu=True)
    assert split.total / 2**20 == pytest.approx(measured_mib, rel=0.05)
