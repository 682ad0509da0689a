"""PyTorch `.bin` weights, read as data only and written once as safetensors."""

from __future__ import annotations

import hashlib
import json
import pickle
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from trainer_core.durable import publish_folder
from trainer_core.errors import UserError
from trainer_core.folders import cache_root

INDEX = "model.safetensors.index.json"
BIN_FILES = "pytorch_model*.bin"
_OTHER_FILES = ("*.json", "*.txt", "*.model", "*.jinja")


def only_torch_shards(folder: Path) -> bool:
    """Whether a model folder holds its weights as PyTorch files and in no other way."""
    return not any(folder.glob("*.safetensors")) and any(folder.glob(BIN_FILES))


def converted_shards(folder: Path, dtype: torch.dtype) -> Path:
    """Return a folder with the same model as safetensors, made once in the cache.

    One shard is in memory at a time. Weights are written as stored, or in bf16 where they are
    wanted in bf16 anyway, which halves what is read from then on.

    Args:
        folder: A Hugging Face folder with `pytorch_model*.bin`.
        dtype: The weights are wanted in.

    Raises:
        UserError: If a file is damaged or holds more than tensors, or the disk is full.
    """
    shards = sorted(folder.glob(BIN_FILES))
    half = dtype == torch.bfloat16
    final = cache_root() / "models" / f"{folder.name[:40]}-{_key(shards, half)}"
    if (final / INDEX).is_file():
        return final
    aside = final.with_name(f".tmp-{final.name}-{secrets.token_hex(4)}")
    try:
        aside.mkdir(parents=True)
        for pattern in _OTHER_FILES:
            for file in folder.glob(pattern):
                if not file.name.startswith("pytorch_model"):
                    shutil.copyfile(file, aside / file.name)
        _write(shards, aside, half)
        if not final.exists():  # else another rank was first
            publish_folder(aside, final)
    except OSError as error:
        raise UserError(
            f"{folder}: its PyTorch weights cannot be written as safetensors to {final.parent}: "
            f"{error.strerror or error}; free space there or set XDG_CACHE_HOME to another disk"
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return final


def read_shard(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a PyTorch file; nothing in it is run.

    Raises:
        UserError: If it is damaged, or holds anything but tensors.
    """
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        unsafe = next((line for line in lines if "GLOBAL" in line or "global" in line), None)
        if unsafe is not None:
            raise UserError(
                f"{file}: it holds program code beside tensors and is not loaded "
                f"({unsafe[:200]}); use a copy of the model in safetensors"
            ) from error
        raise UserError(f"{file}: it is damaged or no PyTorch file; download it again") from error
    if not isinstance(found, dict):
        raise UserError(f"{file}: it holds no weights by name; use a folder of save_pretrained")
    return {str(name): value for name, value in found.items() if isinstance(value, Tensor)}


def _write(shards: list[Path], aside: Path, half: bool) -> None:
    from safetensors.torch import save_file

    places: dict[str, str] = {}
    total = 0
    for number, file in enumerate(shards, start=1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        tensors = dict(_without_shared(read_shard(file), half))
        save_file(tensors, aside / name, metadata={"format": "pt"})
        places |= dict.fromkeys(tensors, name)
        total += sum(value.numel() * value.element_size() for value in tensors.values())
        del tensors
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (aside / INDEX).write_text(json.dumps(index, indent=2))


def _without_shared(tensors: dict[str, Tensor], half: bool) -> Iterator[tuple[str, Tensor]]:
    """Leave out names of weights that another name has too: the model ties them again."""
    seen: set[tuple[int, int, tuple[int, ...]]] = set()
    for name, value in tensors.items():
        place = (
            value.untyped_storage().data_ptr(),
            int(value.storage_offset()),
            tuple(value.shape),
        )
        if value.numel() and place in seen:
            continue
        seen.add(place)
        wanted = torch.bfloat16 if half and value.is_floating_point() else value.dtype
        # A view of something larger would be refused, or saved whole.
        yield name, value.to(wanted).clone().contiguous()


def _key(shards: list[Path], half: bool) -> str:
    facts = [f"{file.resolve()} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in shards]
    return hashlib.sha256("\n".join([*facts, str(half)]).encode()).hexdigest()[:16]
