"""Weights are found, and where they are not the sentence names the way out."""

from __future__ import annotations

import json

import pytest
import torch

from trainer_core.engine import pretrained
from trainer_core.engine.data import hub
from trainer_core.errors import UserError

CPU = torch.device("cpu")


def load(name):
    source = pretrained.find_source(str(name), from_scratch=False)
    return pretrained.load_weights(source, dtype=torch.float32, device=CPU)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setattr(pretrained, "hub_answers", lambda: False)
    monkeypatch.setattr(hub, "hub_answers", lambda: False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")  # set for good where the hub does not answer


def test_a_preset_that_is_not_here_names_from_scratch():
    with pytest.raises(UserError, match="--from-scratch") as caught:
        load("cerebras-gpt-111m")
    assert "\n" not in str(caught.value)


def test_a_model_that_is_not_to_be_had_is_noticed_before_anything_slow():
    pretrained.check_source("tiny", from_scratch=False)
    pretrained.check_source("cerebras-gpt-111m", from_scratch=True)
    with pytest.raises(UserError, match="--from-scratch"):
        pretrained.check_source("cerebras-gpt-111m", from_scratch=False)


def test_presets_with_our_vocabulary_need_no_network_from_scratch():
    source = pretrained.find_source("cerebras-gpt-13b", from_scratch=True)
    assert source.fresh
    assert source.shape is not None
    assert source.shape.layers == 40


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="cannot be read") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_without_weights_is_refused(make_model, tmp_path):
    make_model("gpt2").config.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="cannot be read"):
        load(tmp_path)


def test_old_weight_files_are_read_without_running_what_they_hold(make_model, tmp_path):
    model = make_model("gpt2")
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    state = load(tmp_path).state_dict()
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    canary = tmp_path / "canary"

    class Evil:
        def __reduce__(self):
            return (type(canary).touch, (canary,))

    torch.save({"lm_head.weight": Evil()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError):
        load(tmp_path)
    assert not canary.exists()


def test_code_that_comes_with_a_model_is_never_run(tmp_path):
    canary = tmp_path / "canary"
    (tmp_path / "code.py").write_text(f"open({str(canary)!r}, 'w')")
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "own", "auto_map": {"AutoConfig": "code.Own"}})
    )
    with pytest.raises(UserError):
        load(tmp_path)
    assert not canary.exists()


def test_an_encoder_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5"}))
    with pytest.raises(UserError, match="no causal language model"):
        load(tmp_path)


def test_an_adapter_folder_brings_its_base_along(make_model, tmp_path):
    from trainer_core.engine.model import add_adapters, load_for_inference
    from trainer_core.run.config.run_config import LoraConfig

    base = make_model("gpt2")
    base.save_pretrained(tmp_path / "base")
    base.name_or_path = str(tmp_path / "base")
    adapted = add_adapters(base, LoraConfig(rank=2))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.ones_(parameter)
    adapted.peft_config["default"].base_model_name_or_path = str(tmp_path / "base")
    adapted.save_pretrained(tmp_path / "adapter")
    ids = torch.arange(9)[None]
    with torch.no_grad():
        expected = adapted.eval()(ids).logits
        found = load_for_inference(tmp_path / "adapter")(ids).logits
    assert torch.allclose(found, expected, atol=1e-5)


def test_gguf_without_its_packages_says_what_to_install(monkeypatch, tmp_path):
    file = tmp_path / "small.gguf"
    file.write_bytes(b"GGUF")
    monkeypatch.setattr(pretrained.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"moai-tui\[train\]"):
        pretrained.converted_gguf(file)


def test_a_converted_gguf_is_not_converted_again(tmp_path, monkeypatch):
    file = tmp_path / "small.gguf"
    file.write_bytes(b"GGUF")
    done = pretrained.cache_root() / "models" / "small-4"
    done.mkdir(parents=True)
    (done / "config.json").write_text("{}")
    assert pretrained.converted_gguf(file) == done


def test_adapters_on_fresh_weights_say_that_nobody_kept_them(tmp_path):
    facts = {"peft_type": "LORA", "base_model_name_or_path": None, "task_type": "CAUSAL_LM"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match="fresh weights, which are not stored with them"):
        pretrained.load_adapter(tmp_path, dtype=torch.float32, device=CPU)
