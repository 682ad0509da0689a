"""Load a model's tokenizer: built in, from a folder, a GGUF file or the hub."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

from trainer_core.builtin import TINY
from trainer_core.durable import publish_folder
from trainer_core.engine.data.encoder import (
    GPT2_ENTRIES,
    TextEncoder,
    encoder_of,
    gpt2_encoder,
    gpt2_files,
    read_encoder,
    tiny_encoder,
)
from trainer_core.engine.data.hub import hub_error, settle_network
from trainer_core.errors import UserError
from trainer_core.folders import cache_root
from trainer_core.run.config.found_here import smollm2_file

CEREBRAS_PREFIXES = ("cerebras-gpt-", "cerebras/cerebras-gpt-")
"""Presets and hub ids whose vocabulary is GPT-2's, in lower case."""

CEREBRAS_CONTEXT = 2048

SMOLLM2_PRESET = "smollm2-135m"
_PROBE = "def f(x):\n    return x + 1  # größer ≥ 1\n"


def load_tokenizer(model: str, *, revision: str | None = None) -> Any:
    """Return the transformers tokenizer of a model, with a pad token and its real end token.

    Args:
        model: Preset id, hub id, local folder or GGUF file.
        revision: Branch, tag or commit of a hub id.

    Raises:
        UserError: If there is none, it cannot be reached, or it does not work.
    """
    from transformers import PreTrainedTokenizerFast

    name = model.lower()
    path = Path(model).expanduser()
    if name == "tiny":
        # Not AutoTokenizer: importing that takes three times as long (2.3 s of CPU).
        tokenizer = PreTrainedTokenizerFast.from_pretrained(TINY)
    elif name.startswith(CEREBRAS_PREFIXES) and not path.exists():
        tokenizer = _gpt2_tokenizer()
    elif (gguf := _gguf_file(model)) is not None:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(_converted(gguf))
    elif path.exists() or path.is_absolute():
        tokenizer = _from_folder(path, model)
    else:
        tokenizer = _from_hub(hub_id_of(model), revision)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    _check_round_trip(tokenizer, model)
    return tokenizer


def load_encoder(model: str, *, revision: str | None = None) -> TextEncoder:
    """Return only what counting and rendering need, without transformers where that is possible.

    Raises:
        UserError: As `load_tokenizer`.
    """
    path = Path(model).expanduser()
    if model.lower() == "tiny":
        return tiny_encoder()
    if model.lower().startswith(CEREBRAS_PREFIXES) and not path.exists():
        return gpt2_encoder()
    gguf = _gguf_file(model)
    folder = _converted(gguf) if gguf is not None else path
    encoder = read_encoder(folder) if folder.is_dir() else None
    return encoder or encoder_of(load_tokenizer(model, revision=revision))


def hub_id_of(model: str) -> str:
    """Return the hub id behind a preset; other names are hub ids themselves."""
    from trainer_core.run.config.catalog import find_model

    entry = find_model(model)
    return entry.hub_id if entry is not None and entry.hub_id else model


def prompt_ids(tokenizer: Any, text: str) -> list[int]:
    """Return the ids of a wrapped prompt, beginning as the rows the model was trained on.

    A chat template writes the begin token itself; otherwise the tokenizer adds it, if it does.
    """
    begin = tokenizer.bos_token
    own = not (begin and text.startswith(begin))
    ids = tokenizer(text, add_special_tokens=own)["input_ids"]
    if (
        own
        and len(ids) > 1
        and ids[-1] == tokenizer.eos_token_id
        and not text.endswith(tokenizer.eos_token)
    ):
        ids = ids[:-1]
    return list(ids)


def _gpt2_tokenizer() -> Any:
    from transformers import GPT2TokenizerFast

    vocabulary, merges = gpt2_files()
    # `vocab_file=` and `merges_file=` are silently ignored by transformers 5: one entry, no text.
    tokenizer = GPT2TokenizerFast(
        vocab=vocabulary, merges=merges, model_max_length=CEREBRAS_CONTEXT
    )
    if len(tokenizer) != GPT2_ENTRIES:
        raise UserError(
            f"GPT-2's vocabulary loads with {len(tokenizer)} entries; "
            "install transformers 5.17 or later"
        )
    return tokenizer


def _gguf_file(model: str) -> Path | None:
    path = Path(model).expanduser()
    if path.is_file() and path.suffix == ".gguf":
        return path
    if path.is_dir() and not (path / "tokenizer.json").exists():
        found = sorted(path.glob("*.gguf"))
        return found[0] if found else None
    if model.lower() == SMOLLM2_PRESET:
        return smollm2_file()
    return None


def _converted(gguf: Path) -> Path:
    """Return a tokenizer folder made once of a GGUF file: reading one takes about 13 seconds."""
    from transformers import AutoTokenizer

    state = gguf.stat()
    key = f"{gguf.resolve()}\0{state.st_size}\0{state.st_mtime_ns}"
    folder = cache_root() / "tokenizers" / hashlib.sha256(key.encode()).hexdigest()[:24]
    if (folder / "tokenizer.json").is_file():
        return folder
    partial = folder.with_name(f"{folder.name}.tmp-{os.getpid()}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
        partial.mkdir(parents=True, exist_ok=True)
        tokenizer.save_pretrained(partial)
        if not folder.exists():
            publish_folder(partial, folder)
    except (OSError, ValueError, KeyError, ImportError) as error:
        if (folder / "tokenizer.json").is_file():  # another process was first
            return folder
        raise UserError(f"the tokenizer in {gguf} cannot be read: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _from_folder(path: Path, model: str) -> Any:
    from transformers import AutoTokenizer

    if not path.is_dir():
        raise UserError(f"model {model!r}: there is no such folder; check the path")
    try:
        return AutoTokenizer.from_pretrained(path)
    except Exception as error:  # the Rust library raises bare Exception on a damaged file
        raise UserError(
            f"model {model!r}: its tokenizer cannot be read ({_first_line(error)}); "
            "the folder needs tokenizer.json and tokenizer_config.json"
        ) from error


def _from_hub(hub_id: str, revision: str | None) -> Any:
    settle_network()
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(hub_id, revision=revision or "main")
    except Exception as error:  # whatever the hub's libraries raise is one sentence for the user
        fix = "choose a model on this machine: a folder, `tiny`, or a cerebras-gpt preset"
        raise hub_error("model", hub_id, error, fix) from error


def _check_round_trip(tokenizer: Any, model: str) -> None:
    ids = tokenizer(_PROBE, add_special_tokens=False)["input_ids"]
    if not ids:
        raise UserError(f"model {model!r}: its tokenizer encodes text to nothing; check its files")
    if tokenizer.eos_token is None:
        raise UserError(f"model {model!r}: its tokenizer names no end token; set eos_token")


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), repr(error))[:200]
