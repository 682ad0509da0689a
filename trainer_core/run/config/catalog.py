"""Models and datasets a run can name: what is on this machine first, then the shipped presets."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from trainer_core import builtin
from trainer_core.errors import ConfigError
from trainer_core.plan.shapes import shape_from_hf_config
from trainer_core.plan.types import ModelShape
from trainer_core.run.config import found_here
from trainer_core.run.config.config_file import PRESETS
from trainer_core.run.config.found_here import FoundModel, read_shape
from trainer_core.yaml_text import read_yaml_file

Origin = Literal["built-in", "preset", "hub cache", "folder", "run", "package", "file", "hub"]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)

_SMOLLM2_PRESET = "smollm2-135m"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelEntry:
    """One model a config can name."""

    id: str
    """What is written in `model`: preset id, hub id or path."""
    title: str
    origin: Origin
    hub_id: str | None = None
    family: str | None = None
    shape: ModelShape | None = None
    """None where no config.json is at hand."""
    licence: str | None = None
    download_bytes: int | None = None
    """Approximate size of the weight files; None where nothing is downloaded or known."""
    prompt_format: str = "auto"
    """What `data.prompt_format: auto` means for this model; `auto` asks the tokenizer."""
    gated: bool = False
    """Whether the hub wants an accepted licence and a token."""
    local_path: Path | None = None
    """Folder (or GGUF file) of its weights on this machine."""

    @property
    def here(self) -> bool:
        """Whether a run can start without a network."""
        return self.local_path is not None

    @property
    def offline_from_scratch(self) -> bool:
        """Whether it can be built with fresh weights and its tokenizer without a network."""
        return self.family == "cerebras-gpt" or self.local_path is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetEntry:
    """One dataset a config can name."""

    id: str
    """What is written in `dataset`: preset id, hub id or path."""
    title: str
    origin: Origin
    source: str
    """Hub id or path behind the id."""
    rows: int | None = None
    columns: tuple[str, ...] = ()
    format: str = "auto"
    prompt_format: str = "auto"
    licence: str | None = None
    download_bytes: int | None = None
    local_path: Path | None = None

    @property
    def here(self) -> bool:
        """Whether it can be read without a network."""
        return self.local_path is not None or self.origin == "built-in"


@cache
def _shipped_models() -> tuple[ModelEntry, ...]:
    return tuple(
        _model_entry(id, row) for id, row in read_yaml_file(PRESETS / "models.yaml").items()
    )


@cache
def _shipped_datasets() -> tuple[DatasetEntry, ...]:
    path = PRESETS / "datasets.yaml"
    rows = read_yaml_file(path) if path.is_file() else {}
    return tuple(_dataset_entry(id, row) for id, row in rows.items())


def model_presets(worker_python: str | None = None) -> tuple[ModelEntry, ...]:
    """Return the shipped presets in their own order; those found here carry their path.

    Args:
        worker_python: Interpreter whose packages are looked through as well.
    """
    cached = {found.hub_id: found.path for found in found_here.hub_cache_models()}
    package = found_here.smollm2_file(worker_python)
    presets = []
    for entry in _shipped_models():
        path = cached.get(entry.hub_id) if entry.hub_id else entry.local_path
        if entry.id == _SMOLLM2_PRESET and path is None:
            path = package
        presets.append(replace(entry, local_path=path))
    return tuple(presets)


def models_here(
    folders: Sequence[Path] = (), worker_python: str | None = None
) -> tuple[ModelEntry, ...]:
    """Return the models that need no download: `tiny`, earlier runs, folders, cache, package.

    Args:
        folders: Where the user keeps models, besides `MOAI_TUI_MODELS`.
        worker_python: Interpreter whose packages are looked through as well.
    """
    presets = [entry for entry in model_presets(worker_python) if entry.here]
    known = {entry.hub_id for entry in presets}
    found = [
        *(_local_entry(model, "run") for model in found_here.run_models()),
        *(_local_entry(model, "folder") for model in found_here.folder_models(folders)),
        *(
            _local_entry(model, "hub cache")
            for model in found_here.hub_cache_models()
            if model.hub_id not in known
        ),
    ]
    return (*presets, *found)


def find_model(text: str, worker_python: str | None = None) -> ModelEntry | None:
    """Return what a config's `model` means; None where it can be nothing.

    A folder or file on disk wins over a preset; an unknown `owner/name` is taken for a hub id,
    with nothing known of it.
    """
    name = text.strip()
    local = _local_model(name)
    if local is not None:
        return local
    for entry in model_presets(worker_python):
        if name.lower() in (entry.id, (entry.hub_id or entry.id).lower()):
            return entry
    for model in found_here.hub_cache_models():
        if model.hub_id == name:
            return _local_entry(model, "hub cache")
    if _HUB_ID.fullmatch(name) and not Path(name).exists():
        return ModelEntry(id=name, title=name, origin="hub", hub_id=name)
    return None


def require_model(text: str, worker_python: str | None = None) -> ModelEntry:
    """Return what a config's `model` means.

    Raises:
        ConfigError: It is neither a preset, a hub id, nor a folder of a model; names the nearest.
    """
    entry = find_model(text, worker_python)
    if entry is not None:
        return entry
    path = _path(text)
    if path is not None and path.is_dir():
        fix = "name a folder with config.json and its weights"
        raise ConfigError("model", text, fix, f"the folder {text!r} holds no model")
    if path is not None and path.exists():
        raise ConfigError("model", text, "name a folder, or a .gguf file", f"{text!r} is no model")
    if text.startswith(("/", "./", "../", "~")):
        raise ConfigError("model", text, "name an existing folder", f"there is no {text!r}")
    raise ConfigError("model", text, _nearest(text), f"unknown model {text!r}")


def dataset_presets() -> tuple[DatasetEntry, ...]:
    """Return the shipped presets; those found in the hub cache carry their path."""
    cached = found_here.hub_cache_datasets()
    return tuple(
        replace(entry, local_path=cached.get(entry.source)) for entry in _shipped_datasets()
    )


def datasets_here(folder: Path | None = None) -> tuple[DatasetEntry, ...]:
    """Return the datasets that need no download: files of a folder, then the presets that do.

    Args:
        folder: Where to look; None is the current directory.
    """
    base = folder or Path()
    files = tuple(
        DatasetEntry(
            id=str(path),
            title=path.name,
            origin="file",
            source=str(path),
            local_path=path,
        )
        for path in found_here.data_files(base)
    )
    return (*files, *(entry for entry in dataset_presets() if entry.here))


def find_dataset(text: str) -> DatasetEntry | None:
    """Return what a config's `dataset` means; None where it can be nothing."""
    name = text.strip()
    path = _path(name.removeprefix("python:"))
    if path is not None and path.exists() and not _is_preset(name):
        return DatasetEntry(id=name, title=name, origin="file", source=name, local_path=path)
    for entry in dataset_presets():
        if name.lower() in (entry.id.lower(), entry.source.lower()):
            return entry
    if _HUB_ID.fullmatch(name):
        return DatasetEntry(id=name, title=name, origin="hub", source=name)
    return None


def _is_preset(name: str) -> bool:
    return any(entry.id == name for entry in _shipped_datasets())


def _model_entry(id: str, row: dict[str, Any]) -> ModelEntry:
    shape = shape_from_hf_config(row["shape"])
    hub = row.get("hub")
    return ModelEntry(
        id=id,
        title=row.get("title") or str(hub).partition("/")[2],
        origin="preset" if hub else "built-in",
        hub_id=hub,
        family=row.get("family"),
        shape=shape,
        licence=row.get("licence"),
        download_bytes=row.get("download"),
        prompt_format=row.get("prompt_format", "auto"),
        gated=row.get("gated", False),
        local_path=None if hub else builtin.TINY,
    )


def _dataset_entry(id: str, row: dict[str, Any]) -> DatasetEntry:
    hub = row.get("hub") or row.get("source")
    return DatasetEntry(
        id=id,
        title=row.get("title") or row.get("description") or id,
        origin="preset" if hub else "built-in",
        source=hub or id,
        rows=row.get("rows"),
        columns=tuple(row.get("columns") or ()),
        format=row.get("format", "auto"),
        prompt_format=row.get("prompt_format", "auto"),
        licence=row.get("licence"),
        download_bytes=row.get("download") or row.get("download_bytes"),
    )


def _local_entry(model: FoundModel, origin: Origin) -> ModelEntry:
    id = model.hub_id or str(model.path)
    return ModelEntry(
        id=id,
        title=model.title,
        origin=origin,
        hub_id=model.hub_id,
        family=model.family,
        shape=model.shape,
        local_path=model.path,
    )


def _local_model(name: str) -> ModelEntry | None:
    path = _path(name)
    if path is None:
        return None
    if path.is_dir() and (path / "config.json").is_file():
        family, shape = read_shape(path)
        model = FoundModel(path=path, title=path.name, family=family, shape=shape)
        return replace(_local_entry(model, "folder"), id=name)
    if path.suffix == ".gguf" and path.is_file():
        model = FoundModel(path=path, title=path.name)
        return replace(_local_entry(model, "file"), id=name)
    return None


def _path(text: str) -> Path | None:
    """Return the text as a path; None where it cannot be one on this system."""
    try:
        path = Path(text).expanduser()
        path.exists()
    except (OSError, ValueError, RuntimeError):
        return None
    return path


def _nearest(text: str) -> str:
    ids = [entry.id for entry in _shipped_models()]
    near = difflib.get_close_matches(text.lower(), ids, n=3, cutoff=0.5)
    if near:
        known = "id is" if len(near) == 1 else "ids are"
        return f"the nearest known {known} {', '.join(near)}"
    return "use a preset id, a hub id (owner/name) or the folder of a model"
