"""The small files a Hugging Face folder has beside its weights, made once and kept as bytes.

Writing a tokenizer takes longer than copying a small model's weights, and holds the interpreter.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from torch import nn

from trainer_core.engine.data.prompt_format import PROMPT_FILE, PromptFormat
from trainer_core.engine.gather import named_weights, plain_module


@dataclass(frozen=True, kw_only=True, slots=True)
class Companions:
    """What every checkpoint of a run has, whatever its step."""

    files: dict[str, bytes] = field(default_factory=dict)
    adapter_names: dict[str, str] = field(default_factory=dict)
    """Our name of each adapter's weight → peft's in its file; empty for a model without."""


def companions_of(
    model: nn.Module, tokenizer: Any, prompt_format: PromptFormat | None, scratch: Path
) -> Companions:
    """Return what stands beside the weights so that a folder loads by itself.

    Args:
        model: A transformers model, or a PEFT model around one.
        tokenizer: Saved beside the weights; None leaves it out.
        prompt_format: How prompts are wrapped.
        scratch: An existing folder for a moment's files.
    """
    plain = cast(Any, plain_module(model))
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".tmp-") as name:
        folder = Path(name)
        if hasattr(plain, "peft_config"):
            for settings in plain.peft_config.values():
                settings.save_pretrained(folder)
        else:
            plain.config.save_pretrained(folder)
            generation = getattr(plain, "generation_config", None)
            if generation is not None:
                generation.save_pretrained(folder)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)
        files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    if prompt_format is not None:
        files[PROMPT_FILE] = prompt_format.to_json().encode()
    return Companions(files=files, adapter_names=_adapter_names(plain))


def _adapter_names(model: Any) -> dict[str, str]:
    if not hasattr(model, "peft_config"):
        return {}
    from peft import get_peft_model_state_dict

    mine = {name: weight.detach() for name, weight in named_weights(model) if weight.requires_grad}
    theirs = {id(tensor): name for name, tensor in get_peft_model_state_dict(model, mine).items()}
    return {name: theirs[id(tensor)] for name, tensor in mine.items() if id(tensor) in theirs}
