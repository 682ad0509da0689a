"""Text from a model: greedy, from a run, a checkpoint or any Hugging Face folder."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch

from trainer_core.engine.data.prompt_format import PROMPT_FILE, PromptFormat
from trainer_core.engine.data.tokenizer import prompt_ids
from trainer_core.errors import UserError
from trainer_core.run.config.catalog import find_model
from trainer_core.run.record.directory import RunDirectory, find_run

READY_PROMPT = "Create a function to count the number of the letter 'a' in the word \"Banana\"."
"""The platform tutorial's question, in our words; used when no prompt is given."""


def generate_texts(
    model: Any, tokenizer: Any, prompts: Sequence[str], *, new_tokens: int
) -> list[str]:
    """Continue each prompt greedily until the end token or `new_tokens` tokens.

    Args:
        model: A causal language model of transformers; put back into its mode afterwards.
        tokenizer: Its tokenizer.
        prompts: Already wrapped as the model was trained.
        new_tokens: Most tokens generated for one prompt.

    Returns:
        The new text of each prompt, without the prompt and without the end token.
    """
    was_training = model.training
    model.eval()
    limit = getattr(model.config, "max_position_embeddings", None) or 2**31
    texts = []
    try:
        for prompt in prompts:
            ids = prompt_ids(tokenizer, prompt)[-(limit - 1) :]
            new = continue_ids(
                model, ids, new_tokens=min(new_tokens, limit - len(ids)), end=tokenizer.eos_token_id
            )
            texts.append(tokenizer.decode(new, skip_special_tokens=True))
    finally:
        model.train(was_training)
    return texts


@torch.inference_mode()
def continue_ids(model: Any, ids: list[int], *, new_tokens: int, end: int | None) -> list[int]:
    """Return at most `new_tokens` greedily chosen ids after `ids`, the end token left out."""
    device = next(model.parameters()).device
    step = torch.tensor([ids], device=device)
    cache = None
    new: list[int] = []
    for _ in range(new_tokens):
        output = model(input_ids=step, past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        best = int(output.logits[0, -1].argmax())
        if best == end:
            break
        new.append(best)
        step = torch.tensor([[best]], device=device)
    return new


def model_folder_of(text: str, *, base: bool = False) -> tuple[Path | str, PromptFormat | None]:
    """Find what `generate` was asked for: a run, or any folder or hub id.

    Args:
        text: Run (name, id, unique beginning), a folder with a model, or a hub id.
        base: The model the run started from instead of the one it made.

    Returns:
        Folder or id to load, and how prompts are wrapped; None where that is not known.

    Raises:
        UserError: If there is neither such a run nor such a folder.
    """
    folder = Path(text).expanduser()
    if (folder / "config.json").is_file() or (folder / "adapter_config.json").is_file():
        return folder, load_prompt_format(folder)
    try:
        run = find_run(text)
    except UserError as missing:
        return _model_named(text, folder, missing), None
    made = next((path for path in _made_by(run) if (path / "config.json").is_file()), None)
    adapter = next(
        (path for path in _made_by(run) if (path / "adapter_config.json").is_file()), None
    )
    made = made or adapter
    if made is None:
        raise UserError(
            f"run {text} has saved no model yet; wait for its first checkpoint or stop it"
        )
    if base:
        return run.config().model, load_prompt_format(made)
    return made, load_prompt_format(made)


def _model_named(text: str, folder: Path, missing: UserError) -> str:
    """Return what a model that is no run is loaded by: a preset or a hub id."""
    if folder.is_dir():
        raise UserError(
            f"the folder {text} holds no model; name a run, or a folder with config.json"
        ) from missing
    entry = find_model(text)
    if entry is None:
        raise missing
    return entry.id


def fresh_model_of(text: str) -> tuple[Any, Any] | None:
    """Draw the weights again that a run from scratch began with, from its seed.

    Args:
        text: Run; anything else is no run from scratch.

    Returns:
        Model and tokenizer; None where the run began with weights that were read.
    """
    from trainer_core.engine.data.tokenizer import load_tokenizer
    from trainer_core.engine.model import load_model
    from trainer_core.engine.precision import choose_numerics
    from trainer_core.engine.pretrained import find_source

    if Path(text).is_dir() and not (Path(text) / "config.yaml").is_file():
        return None
    config = find_run(text).config()
    if not find_source(config.model, from_scratch=config.from_scratch).fresh:
        return None
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = load_tokenizer(config.model)
    loaded = load_model(
        msgspec.structs.replace(config, method="full"),
        numerics=choose_numerics(config.precision, device),
        device=device,
        tokenizer=tokenizer,
    )
    return loaded.model.eval(), tokenizer


def load_prompt_format(folder: Path) -> PromptFormat | None:
    """Return how prompts of the model in `folder` were wrapped, None where it does not say."""
    stored = folder / PROMPT_FILE
    if not stored.is_file():
        return None
    return PromptFormat.from_json(stored.read_text(encoding="utf-8"))


def _made_by(run: RunDirectory) -> list[Path]:
    return [run.model_path, *sorted(run.checkpoints_path.glob("step-*"), reverse=True)]


def main(arguments: Sequence[str]) -> int:
    """Carry out `python -m trainer_core generate`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="generate", description=__doc__)
    parser.add_argument("source", help="run, folder or hub id")
    parser.add_argument("--prompt", action="append", help="may be given several times")
    parser.add_argument("--base", action="store_true", help="the model before training")
    parser.add_argument("--raw", action="store_true", help="do not wrap the prompt")
    parser.add_argument("--new-tokens", type=int, default=256)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    prompts = options.prompt or [READY_PROMPT]
    if options.new_tokens < 1:
        raise UserError("--new-tokens: use 1 or more")
    source, prompt_format = model_folder_of(options.source, base=options.base)
    fresh = fresh_model_of(options.source) if options.base else None
    model, tokenizer = fresh or _load(source)
    wrapped = prompts
    if not options.raw and prompt_format is not None:
        wrapped = [prompt_format.wrap(prompt) for prompt in prompts]
    texts = generate_texts(model, tokenizer, wrapped, new_tokens=options.new_tokens)
    _print(prompts, texts, as_json=options.json)
    return 0


def _load(source: Path | str) -> tuple[Any, Any]:
    from trainer_core.engine.data.tokenizer import load_tokenizer
    from trainer_core.engine.model import load_for_inference

    return load_for_inference(source), load_tokenizer(str(source))


def _print(prompts: Sequence[str], texts: Sequence[str], *, as_json: bool) -> None:
    from trainer_core.foreign_text import show

    for prompt, text in zip(prompts, texts, strict=True):
        if as_json:
            line = json.dumps({"prompt": prompt, "text": text})
        else:
            line = show(text, limit=len(text) + 1)
        sys.stdout.write(line + "\n")
