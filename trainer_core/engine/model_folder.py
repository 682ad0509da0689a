"""`model/` and `export`: one complete Hugging Face folder that loads without us."""

from __future__ import annotations

import argparse
import os
import re
import secrets
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from trainer_core.durable import publish_folder
from trainer_core.engine.checkpoint import write_model_files
from trainer_core.engine.data.prompt_format import PROMPT_FILE, PromptFormat
from trainer_core.engine.distributed import all_agree
from trainer_core.engine.four_bits import plain_weights
from trainer_core.engine.gather import gather_weights, plain_module
from trainer_core.errors import UserError
from trainer_core.foreign_text import show_line

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelCard:
    """What the folder's README.md says of how the model came about."""

    base_model: str
    dataset: str
    method: str
    step: int
    eval_loss: float | None = None
    first_eval_loss: float | None = None
    licence: str | None = None
    run_name: str = ""

    def text(self) -> str:
        """Return the card: YAML front matter as the hub reads it, then a few sentences."""
        licence = f"license: {self.licence.lower()}\n" if self.licence else ""
        change = ""
        if self.eval_loss is not None and self.first_eval_loss is not None:
            change = (
                f" Loss on held-out rows: {self.first_eval_loss:.4f} before, "
                f"{self.eval_loss:.4f} after (nats per counted token)."
            )
        method = {"full": "All weights were trained", "lora": "LoRA adapters were trained"}
        return (
            f"---\n{licence}library_name: transformers\npipeline_tag: text-generation\n"
            f"tags:\n- moai-tui\n---\n\n# {self.run_name or self.base_model}\n\n"
            f"Fine-tuned from `{self.base_model}` on `{self.dataset}` with moai-tui. "
            f"{method.get(self.method, 'Quantised LoRA adapters were trained')}, "
            f"{self.step} optimizer steps.{change}\n\n"
            "How prompts were wrapped in training stands in `moai_prompt.json`.\n"
        )


def save_model_folder(
    folder: Path,
    *,
    model: nn.Module,
    tokenizer: Any,
    prompt_format: PromptFormat | None,
    card: ModelCard,
    rank: int = 0,
    merge: bool = True,
) -> int:
    """Write `folder` whole or not at all; every rank calls it, rank 0 writes.

    Args:
        folder: Final place; an older folder there is replaced.
        model: Plain, DDP- or FSDP2-wrapped; LoRA adapters are merged unless told otherwise.
        tokenizer: Saved beside the weights.
        prompt_format: Saved as `moai_prompt.json`.
        card: For README.md.
        rank: Rank of this process.
        merge: Fold adapters into the weights they adapt.

    Returns:
        Bytes of the folder on rank 0, 0 elsewhere.
    """
    weights = gather_weights(model, rank)
    problem: Exception | None = None
    size = 0
    if rank == 0:
        aside = folder.with_name(f".tmp-{folder.name}-{secrets.token_hex(4)}")
        try:
            aside.mkdir(parents=True)
            plain = plain_module(model)
            if merge and hasattr(plain, "peft_config"):
                plain, weights = merged(plain, weights)
            write_model_files(aside, plain, weights, tokenizer, prompt_format)
            (aside / "README.md").write_text(card.text(), encoding="utf-8")
            publish_folder(aside, folder)
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        except Exception as error:  # every rank must learn of it before it is raised
            shutil.rmtree(aside, ignore_errors=True)
            problem = _of_the_disk(error) or error
    if not all_agree(problem is None):
        raise problem or OSError(f"rank 0 could not write {folder}")
    return size


def _of_the_disk(error: Exception) -> OSError | None:
    """Return what the system said, where safetensors only quotes it."""
    quoted = re.search(r"os error (\d+)", str(error))
    if isinstance(error, OSError) or quoted is None:
        return None
    number = int(quoted[1])
    return OSError(number, os.strerror(number))


def merged(model: nn.Module, weights: dict[str, Tensor]) -> tuple[nn.Module, dict[str, Tensor]]:
    """Fold LoRA adapters into their base weights, on a copy of the gathered tensors.

    Args:
        model: A PEFT model; its structure names the adapters, its tensors are not changed.
        weights: Whole tensors by name, from `gather_weights`; 4-bit ones become numbers again.

    Returns:
        The base model (for its configuration) and its weights by its own names.

    Source: W' = W + (alpha / rank) B A, Hu et al. 2021, https://arxiv.org/abs/2106.09685
    """
    base = cast(Any, model).get_base_model()
    folded: dict[str, Tensor] = {}
    prefix = "base_model.model."
    weights = plain_weights(model, weights)
    for name, tensor in weights.items():
        if ".lora_" in name:
            continue
        plain = name.removeprefix(prefix).replace(".base_layer.", ".")
        stem = name.removesuffix(".base_layer.weight")
        down = weights.get(f"{stem}.lora_A.default.weight")
        up = weights.get(f"{stem}.lora_B.default.weight")
        if stem != name and down is not None and up is not None:
            layer = cast(Any, model).get_submodule(stem)
            change = layer.scaling["default"] * (up.float() @ down.float())
            turned = getattr(layer.base_layer, "turned", getattr(layer, "fan_in_fan_out", False))
            change = change.T if turned else change
            tensor = (tensor.float() + change).to(tensor.dtype)  # noqa: PLW2901
        folded[plain] = tensor
    return base, folded


def export_main(arguments: Sequence[str]) -> int:
    """Carry out `python -m trainer_core export`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="export", description=__doc__)
    parser.add_argument("source", help="run or folder")
    parser.add_argument("target", type=Path, help="new or empty folder")
    parser.add_argument("--dtype", choices=sorted(DTYPES))
    parser.add_argument("--merge", action="store_true", help="fold LoRA adapters in")
    options = parser.parse_args(arguments)
    size = export(options.source, options.target, dtype=options.dtype, merge=options.merge)
    sys.stdout.write(f"{show_line(str(options.target))}: {size / 2**20:.1f} MiB\n")
    return 0


def export(source: str, target: Path, *, dtype: str | None, merge: bool) -> int:
    """Copy a run's model to `target`, converted and merged as asked; returns its bytes.

    Raises:
        UserError: If the target is not empty or the source has no model.
    """
    from trainer_core.engine.generate import model_folder_of

    target = target.expanduser()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target}: is not empty; name a new folder")
    if not target.parent.is_dir():
        raise UserError(f"{target.parent}: no such folder; make it first")
    found, _ = model_folder_of(source)
    folder = Path(found)
    aside = target.with_name(f".tmp-{target.name}-{secrets.token_hex(4)}")
    is_adapter = (folder / "adapter_config.json").is_file()
    try:
        if dtype is None and not (merge and is_adapter):
            shutil.copytree(
                folder, aside, ignore=shutil.ignore_patterns("trainer", "MANIFEST.json")
            )
        else:
            _convert(folder, aside, dtype, merge=merge)
        if target.exists():
            target.rmdir()
        publish_folder(aside, target)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


def _convert(folder: Path, aside: Path, dtype: str | None, *, merge: bool) -> None:
    from trainer_core.engine import pretrained
    from trainer_core.engine.data.tokenizer import load_tokenizer

    # On the CPU and never narrower than asked for: what a card computes in is not what is kept.
    cpu, wanted = torch.device("cpu"), DTYPES[dtype] if dtype is not None else None
    if (folder / "adapter_config.json").is_file():
        model = pretrained.load_adapter(folder, dtype=torch.float32, device=cpu)
        model = model.merge_and_unload() if merge else model
        model = model.to(wanted) if wanted is not None else model
    else:
        source = pretrained.find_source(str(folder), from_scratch=False)
        dtype_kept = wanted or torch.float32
        model = pretrained.load_weights(source, dtype=dtype_kept, device=cpu, attention="sdpa")
    aside.mkdir()
    model.save_pretrained(aside)
    load_tokenizer(str(folder)).save_pretrained(aside)
    for name in ("README.md", PROMPT_FILE):
        if (folder / name).is_file():
            shutil.copy2(folder / name, aside / name)
