"""Text from a run or a folder, wrapped as it was trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer_core.engine.small import optimizer_of, small_model
from trainer_core.engine import generate, rank
from trainer_core.engine.data.prompt_format import PromptFormat
from trainer_core.engine.generate import continue_ids, generate_texts, main, model_folder_of
from trainer_core.engine.model_folder import ModelCard, save_model_folder
from trainer_core.errors import UserError
from trainer_core.run.record.directory import RunDirectory


class Words:
    """A tokenizer whose tokens are numbers written with spaces; 0 ends."""

    bos_token: str | None = None
    eos_token, eos_token_id = "0", 0

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [int(word) for word in text.split()]}

    def decode(self, ids: list[int], skip_special_tokens: bool = False) -> str:
        return " ".join(str(number) for number in ids)


def counting_model() -> Any:
    """A model trained until it counts upwards from any number, ending after 9."""
    model = small_model()
    optimizer = optimizer_of(model)
    rows = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8, 9, 0]])
    for _ in range(60):
        loss = model(input_ids=rows, labels=rows).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


def test_greedy_text_stops_at_the_end_token_and_leaves_it_out() -> None:
    model = counting_model()
    texts = generate_texts(model, Words(), ["1 2 3", "1 2 3 4 5 6 7"], new_tokens=20)
    assert texts == ["4 5 6 7 8 9", "8 9"]
    assert model.training, "the mode it came in is the mode it leaves in"


def test_a_prompt_begins_as_the_rows_the_model_was_trained_on() -> None:
    class Beginning(Words):
        """Adds a begin token by itself, as Llama's tokenizer does."""

        bos_token = "5"

        def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
            ids = super().__call__(text)["input_ids"]
            return {"input_ids": [5, *ids] if add_special_tokens else ids}

    model = counting_model()
    seen: list[list[int]] = []
    model.register_forward_pre_hook(
        lambda _module, _positional, named: seen.append(named["input_ids"][0].tolist()),
        with_kwargs=True,
    )
    generate_texts(model, Beginning(), ["1 2"], new_tokens=1)
    assert seen == [[5, 1, 2]]


def test_the_cache_gives_the_same_text_as_none() -> None:
    """Greedy ids with the key-value cache equal those of whole forward passes."""
    model = counting_model().eval()
    ids = [1, 2, 3]
    plain = list(ids)
    with torch.no_grad():
        for _ in range(5):
            plain.append(int(model(torch.tensor([plain])).logits[0, -1].argmax()))
    assert continue_ids(model, ids, new_tokens=5, end=None) == plain[3:]


def test_no_more_tokens_than_asked_for_nor_than_the_model_takes() -> None:
    model = counting_model()
    assert generate_texts(model, Words(), ["1 2"], new_tokens=2) == ["3 4"]
    long = " ".join(["5"] * 40)  # the model takes 32
    (text,) = generate_texts(model, Words(), [long], new_tokens=20)
    assert len(text.split()) <= 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    card = ModelCard(base_model="b", dataset="d", method="full", step=1)
    save_model_folder(
        tmp_path / "m",
        model=small_model(),
        tokenizer=None,
        prompt_format=PromptFormat(name="instruct", end_token="</s>"),
        card=card,
    )
    return tmp_path / "m"


def test_a_folder_brings_its_prompt_format(folder: Path) -> None:
    found, prompt_format = model_folder_of(str(folder))
    assert found == folder
    assert prompt_format is not None
    assert prompt_format.wrap("hello") == "[INST] hello [/INST]\n"


def test_a_preset_and_a_hub_id_are_models_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))
    assert model_folder_of("cerebras-gpt-111m") == ("cerebras-gpt-111m", None)
    assert model_folder_of("owner/name") == ("owner/name", None)
    (tmp_path / "bare").mkdir()
    with pytest.raises(UserError, match="holds no model; name a run, or a folder with"):
        model_folder_of(str(tmp_path / "bare"))


def test_an_unknown_run_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path))
    with pytest.raises(UserError) as caught:
        model_folder_of("no-such-run")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("flags", "wrapped"), [([], "[INST] 1 2 [/INST]\n"), (["--raw"], "1 2")])
def test_the_prompt_is_wrapped_unless_raw(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    wrapped: str,
) -> None:
    asked: list[str] = []

    def fake(_model: object, _tokenizer: object, prompts: list[str], *, new_tokens: int) -> Any:
        asked.extend(prompts)
        return ["\x1b]2;title\x07 fine" for _ in prompts]

    monkeypatch.setattr(generate, "generate_texts", fake)
    monkeypatch.setattr(generate, "_load", lambda _source: (None, None))
    assert main([str(folder), "--prompt", "1 2", *flags]) == 0
    assert asked == [wrapped]
    assert "\x1b" not in capsys.readouterr().out
    assert main([str(folder), "--prompt", "1 2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["prompt"] == "1 2"


def test_without_a_prompt_the_tutorials_question_is_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "_load", lambda _source: (None, None))
    monkeypatch.setattr(generate, "generate_texts", lambda *_, **__: ["3"])
    assert main([str(folder), "--json"]) == 0
    assert "Banana" in json.loads(capsys.readouterr().out)["prompt"]
    with pytest.raises(UserError, match="use 1 or more"):
        main([str(folder), "--new-tokens", "0"])


def test_a_run_from_scratch_is_asked_before_its_first_step(
    make_run: Any, read_events: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Its weights are drawn again from its seed: the text is that of the sample at step 0."""
    sample = {"prompts": ["read write open"], "new_tokens": 6}
    folder = make_run(steps=2, sample=sample, from_scratch=True, seed=3)
    assert rank.main(folder) == 0
    monkeypatch.setattr(generate, "find_run", lambda text: RunDirectory(folder))
    capsys.readouterr()
    asked = ["some run", "--prompt", "read write open", "--new-tokens", "6", "--json"]
    assert main([*asked, "--base"]) == 0
    before = json.loads(capsys.readouterr().out)["text"]
    assert before == read_events(folder, "sample")[0]["samples"][0]["text"]
    assert before


def test_a_run_that_read_its_weights_asks_what_it_read(
    make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run(steps=1)
    monkeypatch.setattr(generate, "find_run", lambda text: RunDirectory(folder))
    assert generate.fresh_model_of("some run") is None
