from __future__ import annotations

import json
import subprocess
import sys

import pytest

from trainer_core.plan.shapes import shape_from_hf_config
from trainer_core.run.config.catalog import model_presets
from trainer_core.run.config.config_file import PRESETS
from trainer_core.yaml_text import read_yaml_file

GPT2 = {
    "model_type": "gpt2",
    "vocab_size": 50257,
    "n_positions": 2048,
    "n_embd": 768,
    "n_layer": 10,
    "n_head": 12,
}


@pytest.mark.parametrize(
    ("id", "parameters"),
    [
        ("cerebras-gpt-111m", 111_050_496),
        ("cerebras-gpt-13b", 12_853_386_240),
        ("smollm2-135m", 134_515_008),
        ("smollm2-1.7b", 1_711_376_384),
        ("llama-3.2-1b", 1_235_814_400),
        ("llama-3.1-8b", 8_030_261_248),
        ("qwen2.5-0.5b", 494_032_768),
        ("qwen2.5-7b", 7_615_616_512),
        ("qwen3-0.6b", 596_049_920),
        ("qwen3-8b", 8_190_735_360),
        ("mistral-7b", 7_248_023_552),
    ],
)
def test_parameters_are_the_published_ones(id: str, parameters: int) -> None:
    shape = {entry.id: entry.shape for entry in model_presets()}[id]
    assert shape is not None
    assert shape.parameters == parameters


def test_a_gpt2_shape_is_read() -> None:
    shape = shape_from_hf_config(GPT2)
    assert shape is not None
    assert (shape.layers, shape.width, shape.heads, shape.vocabulary) == (10, 768, 12, 50257)
    assert (shape.context, shape.feed_forward_width, shape.gated, shape.tied) == (
        2048,
        3072,
        False,
        True,
    )
    assert shape.attention_width == shape.key_value_width == 768
    assert shape.matmul_parameters == 10 * 12 * 768 * 768 + 50257 * 768


def test_grouped_heads_with_a_width_of_their_own() -> None:
    shape = {entry.id: entry.shape for entry in model_presets()}["qwen3-0.6b"]
    assert shape is not None
    assert (shape.attention_width, shape.key_value_width) == (2048, 1024)


def test_a_nested_or_unknown_configuration_is_read_as_well_as_can_be() -> None:
    llama = {
        "vocab_size": 1000,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
    }
    nested = shape_from_hf_config({"model_type": "new", "text_config": llama})
    assert nested is not None
    assert nested.parameters == 2 * 1000 * 64 + 2 * (4 * 64 * 64 + 3 * 64 * 128 + 2 * 64) + 64
    assert nested.context == 2048


@pytest.mark.parametrize(
    "config", [{}, {"hidden_size": "64"}, {**GPT2, "n_layer": 0}, {**GPT2, "vocab_size": True}]
)
def test_what_does_not_name_its_sizes_has_no_shape(config: dict[str, object]) -> None:
    assert shape_from_hf_config(config) is None


COUNT = """
import json, sys
import torch
from transformers import AutoConfig, AutoModelForCausalLM
counts = {}
for id, shape in json.load(sys.stdin).items():
    config = AutoConfig.for_model(**shape)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    model.tie_weights()
    counts[id] = sum(parameter.numel() for parameter in model.parameters())
print(json.dumps(counts))
"""


@pytest.mark.integration
def test_parameters_equal_those_of_transformers_own_models() -> None:
    """Builds every preset without weights in a process of its own and counts."""
    shapes = {id: row["shape"] for id, row in read_yaml_file(PRESETS / "models.yaml").items()}
    ran = subprocess.run(
        [sys.executable, "-c", COUNT],
        input=json.dumps(shapes),
        capture_output=True,
        text=True,
        check=True,
        timeout=150,
    )
    counted = json.loads(ran.stdout.splitlines()[-1])
    ours = {entry.id: entry.shape and entry.shape.parameters for entry in model_presets()}
    assert counted == ours
