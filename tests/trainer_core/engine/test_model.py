"""Fresh models are the same for a seed, and a model that cannot be used is refused."""

from __future__ import annotations

import builtins

import pytest
import torch

from trainer_core.builtin import TINY
from trainer_core.engine import attention
from trainer_core.engine import model as model_module
from trainer_core.engine.data.tokenizer import load_tokenizer
from trainer_core.engine.model import (
    TINY_SHAPE,
    blocks_of,
    check_vocabulary,
    load_for_inference,
    load_model,
    shape_of,
)
from trainer_core.engine.precision import choose_numerics
from trainer_core.errors import ConfigError, UserError
from trainer_core.run.config.catalog import require_model
from trainer_core.run.config.run_config import LoraConfig, RunConfig

CPU = torch.device("cpu")
NUMERICS = choose_numerics("auto", CPU)


def load(**settings):
    return load_model(RunConfig(**settings), numerics=NUMERICS, device=CPU)


def test_tiny_has_the_shape_the_planner_reckons_with():
    loaded = load(model="tiny", from_scratch=True)
    assert loaded.shape == TINY_SHAPE == require_model("tiny").shape
    assert loaded.parameters == loaded.trained_parameters == TINY_SHAPE.parameters
    assert loaded.packed
    assert loaded.model.config._attn_implementation == attention.NAME


def test_a_seed_is_a_model_whatever_was_drawn_before():
    torch.manual_seed(123)
    one = load(model="tiny", from_scratch=True, seed=1).model.state_dict()
    torch.rand(5)
    same, other = (
        load(model="tiny", from_scratch=True, seed=seed).model.state_dict() for seed in (1, 2)
    )
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["transformer.wte.weight"], other["transformer.wte.weight"])


def test_a_fresh_model_takes_the_tokenizers_end():
    tokenizer = load_tokenizer("tiny")
    config = RunConfig(model="tiny", from_scratch=True)
    loaded = load_model(config, numerics=NUMERICS, device=CPU, tokenizer=tokenizer)
    assert loaded.model.config.eos_token_id == tokenizer.eos_token_id
    assert loaded.model.generation_config.eos_token_id == tokenizer.eos_token_id


def test_tiny_comes_with_its_weights_whatever_the_seed():
    one, other = (load(model="tiny", seed=seed) for seed in (1, 2))
    assert one.shape == TINY_SHAPE
    states = one.model.state_dict(), other.model.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    weights = states[0]["transformer.wte.weight"]
    assert torch.equal(weights, weights.to(torch.bfloat16).float())
    assert sum(path.stat().st_size for path in TINY.iterdir()) <= 16e6


@pytest.mark.parametrize("size", ["cerebras-gpt-111m", "cerebras-gpt-13b"])
def test_a_presets_shape_is_what_would_be_built(size):
    from trainer_core.engine.model import fresh_config

    entry = require_model(size)
    assert shape_of(fresh_config(entry.shape)) == entry.shape


def test_a_preset_is_built_without_a_network(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    loaded = load(model="cerebras-gpt-111m", from_scratch=True)
    assert loaded.parameters == require_model("cerebras-gpt-111m").shape.parameters


def test_a_folder_is_loaded_in_the_format_that_is_trained(make_model, tmp_path):
    saved = make_model("Llama").to(torch.bfloat16)
    saved.save_pretrained(tmp_path / "llama")
    loaded = load(model=str(tmp_path / "llama"))
    state = loaded.model.state_dict()
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}
    assert all(torch.equal(state[n], t.float()) for n, t in saved.state_dict().items())
    fresh = load(model=str(tmp_path / "llama"), from_scratch=True).model.state_dict()
    name = "model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(fresh[name], state[name])


def test_gpt2s_chained_activation_becomes_one_kernel_with_the_same_values(make_model, tmp_path):
    saved = make_model("gpt2", activation_function="gelu_new").eval()
    saved.save_pretrained(tmp_path / "gpt2")
    loaded = load(model=str(tmp_path / "gpt2")).model.eval()
    assert "NewGELU" not in {type(module).__name__ for module in loaded.modules()}
    assert loaded.config.activation_function == "gelu_new"
    ids = torch.arange(20)[None]
    with torch.no_grad():
        assert torch.allclose(loaded(ids).logits, saved(ids).logits, atol=1e-6)


def test_lora_trains_adapters_alone(make_model, tmp_path):
    make_model("gpt2").save_pretrained(tmp_path / "gpt2")
    loaded = load(model=str(tmp_path / "gpt2"), method="lora", lora=LoraConfig(rank=2))
    trained = [n for n, p in loaded.model.named_parameters() if p.requires_grad]
    assert trained
    assert all("lora_" in name for name in trained)
    assert 0 < loaded.trained_parameters < loaded.parameters - loaded.trained_parameters


@pytest.mark.parametrize(
    ("changed", "fp8"),
    [
        ({"numerics": "auto", "products": "fp8"}, True),
        ({"numerics": "auto"}, False),  # too narrow for it to pay
        ({"numerics": "plain"}, False),
    ],
)
def test_frozen_products_run_in_fp8_where_that_is_permitted_and_pays(
    changed, fp8, make_model, tmp_path, monkeypatch
):
    monkeypatch.setattr(model_module, "products_in_fp8_work", lambda device: True)
    make_model("gpt2").save_pretrained(tmp_path / "gpt2")
    config = RunConfig(model=str(tmp_path / "gpt2"), method="lora", **changed)
    numerics = choose_numerics("bf16", CPU)
    loaded = load_model(config, numerics=numerics, device=CPU)
    blocks = blocks_of(loaded.model)
    kinds = {type(block.mlp.c_fc.base_layer).__name__ for block in blocks}
    assert kinds == {"Fp8Conv1D" if fp8 else "Conv1D"}
    assert any("fp8 products" in choice for choice in loaded.choices) is fp8


def test_a_lora_target_that_is_no_layer_is_refused(make_model, tmp_path):
    make_model("gpt2").save_pretrained(tmp_path / "gpt2")
    with pytest.raises(ConfigError, match="target_modules"):
        load(
            model=str(tmp_path / "gpt2"),
            method="lora",
            lora=LoraConfig(target_modules=("nothing",)),
        )


def test_lora_without_peft_says_how_to_get_it(monkeypatch):
    inner = builtins.__import__

    def without_peft(name, *arguments, **others):
        if name == "peft":
            raise ImportError(name)
        return inner(name, *arguments, **others)

    monkeypatch.setattr(builtins, "__import__", without_peft)
    with pytest.raises(ConfigError, match=r"pip install 'moai-tui\[lora\]'"):
        load(model="tiny", method="lora")


@pytest.mark.parametrize("kind", ["gpt2", "Llama"])
def test_qlora_trains_adapters_over_four_bits(kind, make_model, tmp_path):
    make_model(kind).save_pretrained(tmp_path / "model")
    plain = load(model=str(tmp_path / "model"))
    loaded = load(model=str(tmp_path / "model"), method="qlora", lora=LoraConfig(rank=2))
    trained = [n for n, p in loaded.model.named_parameters() if p.requires_grad]
    assert trained
    assert all("lora_" in name for name in trained)
    assert loaded.shape == plain.shape
    assert loaded.parameters == plain.parameters + loaded.trained_parameters
    assert any("held in 4 bits" in choice for choice in loaded.choices)


def test_qlora_draws_fresh_weights_layer_by_layer(monkeypatch):
    from trainer_core.engine.four_bits import FourBitLinear

    one, same, other = (
        load(model="tiny", from_scratch=True, method="qlora", seed=seed).model.state_dict()
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(one[name], same[name]) for name in one)
    name = "base_model.model.transformer.h.0.mlp.c_fc.base_layer.weight"
    assert one[name].dtype == torch.uint8
    assert not torch.equal(one[name], other[name])
    blocks = blocks_of(load(model="tiny", method="qlora").model)
    assert all(isinstance(block.attn.c_attn.base_layer, FourBitLinear) for block in blocks)


def test_a_tokenizer_that_is_too_large_is_refused():
    class Long:
        def __len__(self):
            return TINY_SHAPE.vocabulary + 1

    with pytest.raises(UserError, match="4097 entries"):
        check_vocabulary(TINY_SHAPE, Long(), "tiny")


def test_blocks_are_the_layers_and_not_their_experts(make_model):
    assert len(blocks_of(make_model("gpt2"))) == 2
    mixture = make_model("Mixtral", num_local_experts=8, num_experts_per_tok=2)
    assert len(blocks_of(mixture)) == 2


def test_attention_dropout_is_named_where_it_is_dropped(make_model):
    from trainer_core.engine.model import _drop_attention_dropout

    model = make_model("gpt2", attn_pdrop=0.1)
    assert len(_drop_attention_dropout(model)) == 1
    assert _drop_attention_dropout(model) == []
    assert {block.attn.attn_dropout.p for block in model.transformer.h} == {0.0}


def test_generation_loads_a_folder_and_the_seed(make_model, tmp_path):
    make_model("gpt2").save_pretrained(tmp_path / "gpt2")
    model = load_for_inference(tmp_path / "gpt2")
    assert not model.training
    assert shape_of(load_for_inference("tiny").config) == TINY_SHAPE
