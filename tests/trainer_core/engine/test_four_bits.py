"""QLoRA from configuration to folder: what is trained, merged, resumed and loaded elsewhere."""

from __future__ import annotations

import json

import peft
import pytest
import torch
from transformers import AutoModelForCausalLM

from trainer_core.engine import rank
from trainer_core.engine.four_bits import FourBitLinear, hold_in_four_bits, plain_weights
from trainer_core.engine.gather import gather_weights
from trainer_core.engine.model import add_adapters, blocks_of
from trainer_core.engine.model_folder import export, merged
from trainer_core.run.config.run_config import LoraConfig

CPU = torch.device("cpu")

IDS = torch.arange(1, 13)[None]


def in_four_bits(model):
    hold_in_four_bits(blocks_of(model), CPU)
    return model


def rounded(model):
    """The same model with the numbers of its codes as plain weights."""
    twin = type(model)(model.config)
    codes = in_four_bits(model)
    twin.load_state_dict(plain_weights(codes, gather_weights(codes, 0)), strict=False)
    twin.tie_weights()
    return twin, codes


@pytest.mark.parametrize("kind", ["gpt2", "Llama"])
def test_it_computes_what_its_numbers_compute(kind, make_model):
    twin, codes = rounded(make_model(kind))
    assert sum(isinstance(module, FourBitLinear) for module in codes.modules()) >= 8
    with torch.no_grad():
        assert torch.allclose(codes(IDS).logits, twin(IDS).logits, atol=1e-5)


@pytest.mark.parametrize("kind", ["gpt2", "Llama"])
def test_adapters_get_the_gradients_they_get_over_plain_weights(kind, make_model):
    twin, codes = rounded(make_model(kind))
    lora = LoraConfig(rank=2)
    found = []
    for model in (twin, codes):
        torch.manual_seed(0)
        adapted = add_adapters(model, lora)
        with torch.no_grad():
            for name, parameter in adapted.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(std=0.05)
        adapted(IDS, labels=IDS).loss.backward()
        found.append({n: p.grad for n, p in adapted.named_parameters() if p.grad is not None})
    plain, ours = found
    assert plain.keys() == ours.keys()
    assert plain
    assert all(torch.allclose(ours[n], plain[n], rtol=1e-4, atol=1e-6) for n in plain)


@pytest.mark.parametrize("kind", ["gpt2", "Llama"])
def test_merged_is_unmerged(kind, make_model):
    model = add_adapters(in_four_bits(make_model(kind)), LoraConfig(rank=2)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.1)
        before = model(IDS).logits
        base, weights = merged(model, gather_weights(model, 0))
        plain = type(base)(base.config).eval()
        missing = plain.load_state_dict(weights, strict=False)
        assert not missing.unexpected_keys
        plain.tie_weights()
        assert torch.allclose(plain(IDS).logits, before, atol=1e-4)


def test_a_run_from_configuration_to_folder(make_run, read_events, tmp_path):
    settings = {"method": "qlora", "lora": {"rank": 2}, "sample": {"count": 1, "new_tokens": 2}}
    straight = make_run("straight", steps=4, checkpoint={"every_steps": 2}, **settings)
    assert rank.main(straight) == 0
    losses = [event["train_loss"] for event in read_events(straight, "step")]
    (started,) = read_events(straight, "run_started")
    assert started["method"] == "qlora"
    model = AutoModelForCausalLM.from_pretrained(straight / "model")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    checkpoint = straight / "checkpoints" / "step-00000002"
    resumed = make_run("resumed", steps=4, checkpoint={"every_steps": 2}, **settings)
    (resumed / "checkpoints").mkdir()
    checkpoint.rename(resumed / "checkpoints" / checkpoint.name)
    assert rank.main(resumed) == 0
    again = [event["train_loss"] for event in read_events(resumed, "step")]
    assert again == losses[2:]
    last = resumed / "checkpoints" / "step-00000004"
    facts = json.loads((last / "adapter_config.json").read_text())
    base = AutoModelForCausalLM.from_pretrained(facts["base_model_name_or_path"])
    adapted = peft.PeftModel.from_pretrained(base, last)
    assert any(bool(p.any()) for n, p in adapted.named_parameters() if "lora_B" in n)
    export(str(last), tmp_path / "merged", dtype="bf16", merge=True)
    folded = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert {parameter.dtype for parameter in folded.parameters()} == {torch.bfloat16}
