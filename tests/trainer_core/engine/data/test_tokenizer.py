"""Tokenizers of every kind of model, and one sentence where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trainer_core.builtin import TINY
from trainer_core.engine.data.encoder import encoder_of, gpt2_encoder, tiny_encoder
from trainer_core.engine.data.tokenizer import load_encoder, load_tokenizer, prompt_ids
from trainer_core.errors import UserError

END = "<|endoftext|>"
TEXT = "def f(x):\n    return x + 1  # größer ≥ 1 🎉\n"


@pytest.mark.parametrize(
    ("model", "entries"), [("tiny", 4096), ("cerebras-gpt-13b", 50257), ("Tiny", 4096)]
)
def test_built_in_vocabularies_are_whole_without_a_network(
    model: str, entries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    tokenizer = load_tokenizer(model)
    assert len(tokenizer) == entries
    assert tokenizer.decode(tokenizer(TEXT)["input_ids"]) == TEXT
    assert (tokenizer.eos_token, tokenizer.pad_token) == (END, END)
    assert tokenizer.model_max_length == (1024 if entries == 4096 else 2048)


@pytest.mark.parametrize(
    ("model", "light"), [("tiny", tiny_encoder), ("cerebras-gpt-111m", gpt2_encoder)]
)
def test_the_light_way_gives_the_same_ids(model: str, light: Any) -> None:
    """The report counts without transformers; the run trains with it."""
    loaded = encoder_of(load_tokenizer(model))
    found = light()
    assert found.backend.encode(TEXT).ids == loaded.backend.encode(TEXT).ids
    assert (found.end_id, found.begin_token) == (loaded.end_id, loaded.begin_token)
    assert load_encoder(model).vocabulary == loaded.vocabulary


def folder_with(tmp_path: Path, **changes: Any) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "tokenizer.json").write_bytes((TINY / "tokenizer.json").read_bytes())
    config = json.loads((TINY / "tokenizer_config.json").read_text())
    config |= changes
    kept = {key: value for key, value in config.items() if value is not None}
    (folder / "tokenizer_config.json").write_text(json.dumps(kept))
    return folder


def test_a_local_folder_is_read_and_gets_a_pad_token(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, pad_token=None)
    tokenizer = load_tokenizer(str(folder))
    assert (len(tokenizer), tokenizer.pad_token) == (4096, END)
    assert load_encoder(str(folder)).fingerprint() == tiny_encoder().fingerprint()


def test_a_name_on_disk_wins_over_a_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_with(tmp_path).rename(tmp_path / "cerebras-gpt-mine")
    monkeypatch.chdir(tmp_path)
    assert len(load_tokenizer("cerebras-gpt-mine")) == 4096


WRONG = [
    ("/nowhere/at-all", "there is no such folder; check the path"),
    ("{tmp}/bare", "its tokenizer cannot be read"),
    ("{tmp}/model", "its tokenizer names no end token; set eos_token"),
    ("{tmp}/broken", "its tokenizer cannot be read"),
]


@pytest.mark.parametrize(("model", "sentence"), WRONG)
def test_what_is_no_tokenizer_is_one_sentence(tmp_path: Path, model: str, sentence: str) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "tokenizer.json").write_text("{")
    folder_with(tmp_path, eos_token=None, bos_token=None, pad_token=None)
    with pytest.raises(UserError) as raised:
        load_tokenizer(model.replace("{tmp}", str(tmp_path)))
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_hub_id_without_a_network_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError) as raised:
        load_tokenizer("owner/name")
    text = str(raised.value)
    assert text.startswith("model 'owner/name': it is not on this machine and the hub cannot be")
    assert "\n" not in text


class Beginning:
    """A tokenizer that adds a begin and an end token by itself."""

    bos_token, eos_token, eos_token_id = "<s>", "</s>", 2

    def __call__(self, text: str, *, add_special_tokens: bool) -> dict[str, list[int]]:
        ids = [ord(letter) for letter in text]
        return {"input_ids": [1, *ids, 2] if add_special_tokens else ids}


def test_a_prompt_begins_as_rows_do_and_has_no_end() -> None:
    assert prompt_ids(Beginning(), "ab") == [1, 97, 98]
    assert prompt_ids(Beginning(), "<s>a") == [ord(letter) for letter in "<s>a"]
    tiny = load_tokenizer("tiny")
    assert prompt_ids(tiny, "def") == tiny("def")["input_ids"]
