"""`model/` loads in a process that knows nothing of us, whatever the run's plan was."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import peft
import pytest
import torch
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerFast

from tests.trainer_core.engine.small import optimizer_of, small_model, train
from trainer_core.engine import model_folder
from trainer_core.engine.data.prompt_format import PromptFormat
from trainer_core.engine.gather import gather_weights
from trainer_core.engine.model_folder import ModelCard, export, save_model_folder
from trainer_core.errors import UserError

CARD = ModelCard(
    base_model="tiny",
    dataset="rows.jsonl",
    method="full",
    step=3,
    eval_loss=2.5,
    first_eval_loss=4.0,
    licence="Apache-2.0",
    run_name="first try",
)

PLAIN_PROGRAM = """
import sys, json, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained(sys.argv[1])
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
ids = torch.tensor([[1, 2, 3]])
out = model.generate(ids, max_new_tokens=4, do_sample=False)
logits = model(ids).logits[0, -1].double().tolist()
ours = [n for n in sys.modules if n.startswith(("trainer_core", "moai_tui"))]
print(json.dumps({"logits": logits, "out": out.tolist(), "ours": ours, "end": tokenizer.eos_token}))
"""


@pytest.fixture
def tokenizer(tmp_path: Path) -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, models

    words = {"<|endoftext|>": 0, **{f"w{i}": i for i in range(1, 64)}}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="<|endoftext|>")),
        eos_token="<|endoftext|>",
    )


def ask_plainly(folder: Path) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-P", "-c", PLAIN_PROGRAM, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_stock_transformers_loads_and_generates(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    model = small_model()
    train(model, optimizer_of(model), 2)
    size = save_model_folder(
        tmp_path / "model",
        model=model,
        tokenizer=tokenizer,
        prompt_format=PromptFormat(name="instruct", end_token="<|endoftext|>"),
        card=CARD,
    )
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "README.md",
        "moai_prompt.json",
    } <= names
    assert size == sum(path.stat().st_size for path in (tmp_path / "model").iterdir())
    answer = ask_plainly(tmp_path / "model")
    assert answer["ours"] == []
    assert answer["end"] == "<|endoftext|>"
    with torch.no_grad():
        logits = model.eval()(torch.tensor([[1, 2, 3]])).logits[0, -1].double().tolist()
    assert answer["logits"] == pytest.approx(logits, rel=1e-6)
    assert "4.0000 before, 2.5000 after" in (tmp_path / "model" / "README.md").read_text()


def test_adapters_are_folded_in(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    """GPT-2 stores its layers transposed; the folded model must answer as the adapted one."""
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=["c_attn", "c_proj", "c_fc"])
    model = peft.get_peft_model(small_model(), config)
    train(model, optimizer_of(model), 5)
    save_model_folder(
        tmp_path / "model", model=model, tokenizer=tokenizer, prompt_format=None, card=CARD
    )
    answer = ask_plainly(tmp_path / "model")
    with torch.no_grad():
        adapted = model.eval()(torch.tensor([[1, 2, 3]])).logits[0, -1]
        with model.disable_adapter():
            base = model(torch.tensor([[1, 2, 3]])).logits[0, -1]
    assert not torch.allclose(adapted, base, atol=1e-3), "the adapters must matter"
    assert answer["logits"] == pytest.approx(adapted.double().tolist(), rel=1e-4, abs=1e-5)


def test_a_refusing_disk_leaves_the_older_model(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "config.json").write_text("older")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model_folder, "publish_folder", refuse)
    with pytest.raises(OSError, match="No space"):
        save_model_folder(
            target, model=small_model(), tokenizer=tokenizer, prompt_format=None, card=CARD
        )
    assert (target / "config.json").read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_export_converts_and_refuses_a_full_folder(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    save_model_folder(
        tmp_path / "model",
        model=small_model(),
        tokenizer=tokenizer,
        prompt_format=PromptFormat(name="text"),
        card=CARD,
    )
    export(str(tmp_path / "model"), tmp_path / "half", dtype="bf16", merge=False)
    assert json.loads((tmp_path / "half" / "config.json").read_text())["dtype"] == "bfloat16"
    assert (tmp_path / "half" / "moai_prompt.json").is_file()
    export(str(tmp_path / "model"), tmp_path / "same", dtype=None, merge=False)
    same = (tmp_path / "same" / "model.safetensors").read_bytes()
    assert same == (tmp_path / "model" / "model.safetensors").read_bytes()
    with pytest.raises(UserError, match="is not empty; name a new folder"):
        export(str(tmp_path / "model"), tmp_path / "half", dtype=None, merge=False)
    with pytest.raises(UserError, match="no such folder; make it first"):
        export(str(tmp_path / "model"), tmp_path / "a" / "b", dtype=None, merge=False)


def test_export_folds_the_adapters_of_a_folder_in(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    base = tmp_path / "base"
    save_model_folder(base, model=small_model(), tokenizer=tokenizer, prompt_format=None, card=CARD)
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=["c_attn", "c_proj", "c_fc"])
    model = peft.get_peft_model(small_model(), config)
    train(model, optimizer_of(model), 5)
    model.peft_config["default"].base_model_name_or_path = str(base)
    model.save_pretrained(tmp_path / "adapter")
    tokenizer.save_pretrained(tmp_path / "adapter")
    export(str(tmp_path / "adapter"), tmp_path / "whole", dtype=None, merge=True)
    assert not (tmp_path / "whole" / "adapter_config.json").exists()
    with torch.no_grad():
        logits = model.eval()(torch.tensor([[1, 2, 3]])).logits[0, -1].double().tolist()
    assert ask_plainly(tmp_path / "whole")["logits"] == pytest.approx(logits, rel=1e-4, abs=1e-5)


def test_what_is_exported_is_not_rounded_to_what_a_card_computes_in(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model_folder(
        tmp_path / "model", model=small_model(), tokenizer=tokenizer, prompt_format=None, card=CARD
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    export(str(tmp_path / "model"), tmp_path / "again", dtype="fp32", merge=False)
    before, after = (
        load_file(tmp_path / name / "model.safetensors") for name in ("model", "again")
    )
    assert all(torch.equal(after[name], before[name]) for name in after)


def test_gathered_adapters_keep_their_names() -> None:
    config = peft.LoraConfig(r=2, target_modules=["c_attn"])
    model = peft.get_peft_model(small_model(), config)
    names = [name for name in gather_weights(model, 0) if ".lora_" in name]
    assert len(names) == 4
