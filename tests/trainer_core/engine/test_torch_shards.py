"""PyTorch shards become safetensors once; program code in them never runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from trainer_core.engine import pretrained, torch_shards
from trainer_core.engine.torch_shards import converted_shards, only_torch_shards, read_shard
from trainer_core.errors import UserError

CPU = torch.device("cpu")


class Evil:
    """Unpickling it writes a file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return os.system, (f"touch {self.canary}",)


@pytest.fixture
def sharded(make_model, tmp_path):
    """A folder as the hub pages of Cerebras-GPT show it: two shards and their index."""
    folder = tmp_path / "shards"
    model = make_model("gpt2")
    model.config.save_pretrained(folder)
    tensors = model.state_dict()  # with the tied head, as the old library saved it
    names = sorted(tensors)
    places = {}
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        file = f"pytorch_model-{number:05d}-of-00002.bin"
        torch.save({name: tensors[name] for name in part}, folder / file)
        places |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    return folder, model


def load(folder, dtype=torch.float32):
    source = pretrained.find_source(str(folder), from_scratch=False)
    return pretrained.load_weights(source, dtype=dtype, device=CPU)


def test_shards_are_read_one_at_a_time_and_only_once(sharded, monkeypatch):
    folder, model = sharded
    read = []
    inner = torch_shards.read_shard
    monkeypatch.setattr(torch_shards, "read_shard", lambda f: read.append(f.name) or inner(f))
    for _ in range(2):
        loaded = load(folder)
        for name, value in model.state_dict().items():
            assert torch.equal(loaded.state_dict()[name], value), name
    assert read == ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"]
    assert loaded.lm_head.weight is loaded.transformer.wte.weight
    made = converted_shards(folder, torch.float32)
    assert not only_torch_shards(made)
    assert (made / "config.json").is_file()
    assert not list(made.parent.glob(".tmp-*"))


def test_bf16_is_written_where_bf16_is_wanted(sharded):
    folder, model = sharded
    whole, half = (converted_shards(folder, kind) for kind in (torch.float32, torch.bfloat16))
    sizes = [sum(f.stat().st_size for f in made.glob("*.safetensors")) for made in (whole, half)]
    assert sizes[1] < 0.7 * sizes[0]
    weight = load(folder, torch.bfloat16).transformer.wte.weight
    assert torch.equal(weight, model.transformer.wte.weight.to(torch.bfloat16))


def test_program_code_is_refused_by_name_and_never_run(sharded, tmp_path):
    folder, _ = sharded
    canary = tmp_path / "canary"
    bad = folder / "pytorch_model-00002-of-00002.bin"
    torch.save({"weight": torch.ones(2), "other": Evil(canary)}, bad)
    with pytest.raises(UserError) as caught:
        load(folder)
    text = str(caught.value)
    assert str(bad) in text
    assert "program code" in text
    assert "safetensors" in text
    assert "\n" not in text
    assert not canary.exists()
    torch.load(bad, weights_only=False)  # the canary itself works
    assert canary.exists()


@pytest.mark.parametrize("content", [b"", b"not a pickle", b"PK\x03\x04 torn"])
def test_a_damaged_file_is_named(content, tmp_path):
    file = tmp_path / "pytorch_model.bin"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"damaged|program code") as caught:
        read_shard(file)
    assert str(file) in str(caught.value)
