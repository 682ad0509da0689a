"""What a dataset's name stands for: files, a folder of Python, the built-in rows, or a hub id."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from trainer_core.builtin import PYTHON_STDLIB, PYTHON_STDLIB_LICENCE
from trainer_core.errors import DataError
from trainer_core.run.config.config_file import PRESETS
from trainer_core.run.config.run_config import DataConfig
from trainer_core.yaml_text import read_yaml_file

BUILT_IN = "python-stdlib"
PYTHON_PREFIX = "python:"

Split = Literal["train", "eval"]

KINDS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".txt": "text",
    ".text": "text",
    ".md": "text",
}
"""Endings that can be read; all but parquet and arrow also with `.gz` after them."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_HELD_OUT = re.compile(r"(?:^|[-_.])(?:validation|valid|val|dev|eval|test)(?:[-_.]|$)", re.I)
_NO_DATA = frozenset(
    {"dataset_info.json", "dataset_dict.json", "dataset_infos.json", "state.json", "readme.md"}
)
_PREFERRED = frozenset({"jsonl", "json", "csv", "parquet", "arrow"})


@dataclass(frozen=True, kw_only=True, slots=True)
class DataFile:
    """One file of a dataset."""

    path: Path
    kind: str
    """`jsonl`, `json`, `csv`, `parquet`, `arrow` or `text`."""
    name: str
    """As messages name it."""
    split: Split = "train"


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A dataset that was found; nothing of it is read yet."""

    name: str
    """As the user named it."""
    kind: Literal["files", "python", "hub"]
    data: DataConfig
    """The config's section, with what a preset says filled in."""
    files: tuple[DataFile, ...] = ()
    folder: Path | None = None
    """Of `python:PATH`."""
    hub_id: str | None = None
    licence: str | None = None

    @property
    def bytes(self) -> int:
        """Size of its files on disk; 0 for a hub id."""
        return sum(file.path.stat().st_size for file in self.files)


def find_source(name: str, data: DataConfig) -> Source:
    """Return what a dataset's name stands for.

    A path on disk wins over a preset, a preset over a hub id.

    Raises:
        DataError: If it is nothing known, holds no data, or cannot be read.
    """
    if name.startswith(PYTHON_PREFIX):
        folder = Path(name.removeprefix(PYTHON_PREFIX)).expanduser()
        if not folder.is_dir():
            raise DataError(name, f"there is no folder {str(folder)!r}", "check the path")
        return Source(name=name, kind="python", data=data, folder=folder)
    path = Path(name).expanduser()
    if _exists(path):
        files = _folder_files(path, name) if path.is_dir() else (_single_file(path, name),)
        return Source(name=name, kind="files", data=data, files=files)
    presets = read_yaml_file(PRESETS / "datasets.yaml")
    if name.lower() == BUILT_IN:
        file = DataFile(path=PYTHON_STDLIB, kind="jsonl", name=BUILT_IN)
        return Source(
            name=name, kind="files", data=data, files=(file,), licence=PYTHON_STDLIB_LICENCE
        )
    for key, preset in presets.items():
        if name.lower() in (key, str(preset.get("hub")).lower()):
            return Source(
                name=name,
                kind="hub",
                data=_with_preset(data, preset.get("data") or {}),
                hub_id=preset["hub"],
                licence=preset.get("licence"),
            )
    looks_like_a_path = name.startswith(("/", ".", "~")) or _kind(path) is not None
    if _HUB_ID.fullmatch(name) and not looks_like_a_path:
        return Source(name=name, kind="hub", data=data, hub_id=name)
    raise DataError(name, "there is no such file, folder or preset", _advice(name, presets))


def fingerprint(source: Source) -> str:
    """Return a sha256 of the bytes of a source's files and their splits.

    Raises:
        DataError: If a file cannot be read.
    """
    digest = hashlib.sha256()
    for file in _hashed_files(source):
        module = file.name if file.kind == "python" else ""
        digest.update(f"{module}\0{file.kind}\0{file.split}\0".encode())
        try:
            with file.path.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
        except OSError as error:
            raise unreadable(file.name, error) from error
    return digest.hexdigest()


def unreadable(name: str, error: OSError) -> DataError:
    """Return the sentence for a file the system does not give out."""
    if isinstance(error, PermissionError):
        return DataError(name, "permission to read it is missing", "change its mode or owner")
    return DataError(name, f"it cannot be read: {error.strerror or error}", "check the disk")


def _hashed_files(source: Source) -> Iterator[DataFile]:
    yield from source.files
    if source.folder is not None:
        for path in sorted(source.folder.rglob("*.py")):
            relative = str(path.relative_to(source.folder))
            if path.is_file():
                yield DataFile(path=path, kind="python", name=relative)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        if isinstance(error, PermissionError):
            raise unreadable(str(path), error) from error
        return False


def _kind(path: Path) -> str | None:
    name = path.name.lower()
    packed = name.endswith(".gz")
    kind = KINDS.get(Path(name.removesuffix(".gz")).suffix)
    return None if packed and kind in ("parquet", "arrow") else kind


def _single_file(path: Path, name: str) -> DataFile:
    kind = _kind(path)
    if not path.is_file():
        raise DataError(name, "is no ordinary file", "name a file or a folder")
    if kind is None and path.suffix == ".py":
        raise DataError(name, "is a Python file", f"use the folder: python:{path.parent}")
    if kind is None:
        ending = f"files ending in {path.suffix} cannot be read"
        raise DataError(
            name,
            ending if path.suffix else "its name has no ending, so its format is not known",
            "use .jsonl, .json, .csv, .parquet or .txt",
        )
    return DataFile(path=path, kind=kind, name=name)


def _folder_files(folder: Path, name: str) -> tuple[DataFile, ...]:
    found: list[DataFile] = []
    try:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
    except OSError as error:
        raise unreadable(name, error) from error
    for path in paths:
        relative = path.relative_to(folder)
        kind = _kind(path)
        hidden = any(part.startswith(".") for part in relative.parts)
        if kind is None or hidden or path.name.lower() in _NO_DATA:
            continue
        parts = [*relative.parts[:-1], relative.name.split(".")[0]]
        held_out = any(_HELD_OUT.search(part) for part in parts)
        split: Split = "eval" if held_out else "train"
        file = DataFile(path=path, kind=kind, name=f"{name.rstrip('/')}/{relative}", split=split)
        found.append(file)
    tables = [file for file in found if file.kind in _PREFERRED]
    chosen = tables or found
    if not chosen:
        raise DataError(
            name,
            "the folder holds no data file",
            "put .jsonl, .json, .csv, .parquet or .txt files there, or use python: for code",
        )
    if all(file.split == "eval" for file in chosen):
        chosen = [_as_train(file) for file in chosen]
    return tuple(chosen)


def _as_train(file: DataFile) -> DataFile:
    return DataFile(path=file.path, kind=file.kind, name=file.name, split="train")


def _with_preset(data: DataConfig, said: dict[str, Any]) -> DataConfig:
    """Fill in what a preset says where the user left the default."""
    default = DataConfig()
    changed = {
        field: str(value) if field == "subset" else value
        for field, value in said.items()
        if getattr(data, field) == getattr(default, field)
    }
    return msgspec.structs.replace(data, **changed)


def _advice(name: str, presets: dict[str, Any]) -> str:
    near = difflib.get_close_matches(name.lower(), list(presets), n=2, cutoff=0.5)
    if near:
        return f"the nearest known names are {', '.join(near)}"
    if name.startswith(("/", ".", "~")) or "." in Path(name).name:
        return "check the path"
    return "name a file or folder, a hub id (owner/name), or one of " + ", ".join(presets)
