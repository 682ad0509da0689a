"""Small files are made once and are those a folder needs to load by itself."""

from __future__ import annotations

import json

from tests.trainer_core.engine.small import small_model
from trainer_core.engine.companions import companions_of
from trainer_core.engine.data.prompt_format import PROMPT_FILE, PromptFormat
from trainer_core.engine.data.tokenizer import load_tokenizer
from trainer_core.engine.model import add_adapters
from trainer_core.run.config.run_config import LoraConfig


def test_a_model_has_configuration_tokenizer_and_prompt(tmp_path):
    found = companions_of(
        small_model(), load_tokenizer("tiny"), PromptFormat(name="instruct"), tmp_path
    )
    assert {"config.json", "generation_config.json", "tokenizer.json", PROMPT_FILE} <= {
        *found.files
    }
    assert json.loads(found.files["config.json"])["n_layer"] == 2
    assert found.adapter_names == {}
    assert list(tmp_path.iterdir()) == []


def test_adapters_have_pefts_names(tmp_path):
    model = add_adapters(small_model(), LoraConfig(rank=2))
    found = companions_of(model, None, None, tmp_path)
    assert list(found.files) == ["adapter_config.json"]
    mine = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert found.adapter_names.keys() == mine
    assert all(".default." not in name for name in found.adapter_names.values())
