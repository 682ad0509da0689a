"""Checkpoints on disk, without torch: found, verified, retired, swept.

Layout of `checkpoints/step-00000100/`: a Hugging Face folder of the weights, `trainer/` with
optimizer, random states and position, and `MANIFEST.json`, written last, with the size and
SHA-256 of every file. A folder without a manifest that fits is no checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer_core.durable import sha256_of, write_whole

FOLDER = "checkpoints"
MANIFEST = "MANIFEST.json"
STATE_FILE = "trainer/state.json"
STEP_NAME = re.compile(r"^step-(\d{8,})$")
LAYOUT_VERSION = 1
ASIDE, TRASH = ".tmp-", ".trash-"
"""How folders begin that are not finished yet, or on their way out."""

OnBytes = Callable[[int], None]
"""Told how many bytes were read since the last call."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredFile:
    """One file of a checkpoint, as its manifest names it."""

    bytes: int
    sha256: str


def step_folder(run_folder: Path, step: int) -> Path:
    """Return the final folder of the checkpoint of `step`."""
    return run_folder / FOLDER / f"step-{step:08d}"


def checkpoint_folders(run_folder: Path) -> list[Path]:
    """Return folders under a checkpoint's final name, newest step first (links are left out)."""
    parent = run_folder / FOLDER
    try:
        named = [Path(entry.path) for entry in os.scandir(parent) if STEP_NAME.match(entry.name)]
    except OSError:
        return []
    named = [path for path in named if path.is_dir() and not path.is_symlink()]
    return sorted(named, key=step_of, reverse=True)


def step_of(path: Path) -> int:
    """Return the step a checkpoint's folder is named after."""
    return int(path.name.removeprefix("step-"))


def write_manifest(folder: Path, step: int, files: Mapping[str, StoredFile]) -> int:
    """Write what a finished folder holds, with a sum over itself; returns the files' bytes."""
    content = {
        "version": LAYOUT_VERSION,
        "step": step,
        "files": {
            name: {"bytes": file.bytes, "sha256": file.sha256}
            for name, file in sorted(files.items())
        },
    }
    content["sum"] = _sum_of(content)
    write_whole(folder / MANIFEST, json.dumps(content, indent=1).encode())
    return sum(file.bytes for file in files.values())


def read_manifest(folder: Path) -> dict[str, StoredFile]:
    """Return the files of a checkpoint by name.

    Raises:
        ValueError: What is wrong with its manifest, in words.
    """
    try:
        content = json.loads((folder / MANIFEST).read_bytes())
        files = {
            str(name): StoredFile(bytes=int(facts["bytes"]), sha256=str(facts["sha256"]))
            for name, facts in content["files"].items()
        }
        step, told = int(content["step"]), content.pop("sum")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ValueError("its manifest is missing or unreadable") from None
    if told != _sum_of(content):
        raise ValueError("its manifest was changed after it was saved")
    if folder.name != f"step-{step:08d}":
        raise ValueError("its manifest belongs to another step")
    return files


def verify(path: Path, on_bytes: OnBytes | None = None) -> str | None:
    """Compare every file with the manifest; one sentence on the first difference, else None."""
    try:
        files = read_manifest(path)
        present = {str(found.relative_to(path)) for found in _files(path)}
    except (ValueError, OSError) as error:
        return str(error)
    for name, facts in files.items():
        file = path / name
        if ".." in Path(name).parts or Path(name).is_absolute() or file.is_symlink():
            return f"{name} points outside the checkpoint"
        if not file.is_file():
            return f"{name} is missing"
        try:
            if file.stat().st_size != facts.bytes or sha256_of(file, on_bytes) != facts.sha256:
                return f"{name} was changed or cut short after it was saved"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
    strange = sorted(present - files.keys() - {MANIFEST})
    return f"{strange[0]} does not belong to it" if strange else None


def read_state(path: Path) -> dict[str, Any]:
    """Return what the trainer stored beside the tensors; empty where it cannot be read."""
    try:
        state = json.loads((path / STATE_FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def eval_loss_of(path: Path) -> float | None:
    """Return the held-out loss measured at a checkpoint's own step; None where it was not."""
    loss = (read_state(path).get("extra") or {}).get("eval_loss")
    return float(loss) if isinstance(loss, int | float) else None


def best_of(paths: Iterable[Path]) -> Path | None:
    """Return the checkpoint with the lowest held-out loss; None where none was measured."""
    measured = [(loss, path) for path in paths if (loss := eval_loss_of(path)) is not None]
    return min(measured, key=lambda pair: pair[0])[1] if measured else None


def superseded(run_folder: Path, keep: int, is_good: Callable[[Path], bool]) -> list[Path]:
    """Return what newer good checkpoints have made needless.

    Args:
        run_folder: Of the run.
        keep: Good ones that stay, at least one; the best stays beside them.
        is_good: Whether a checkpoint verifies; asked of as few as possible.
    """
    good, needless = 0, []
    folders = checkpoint_folders(run_folder)
    best = best_of(folders)
    for path in folders:
        if good < max(1, keep):
            good += is_good(path)
        elif path != best or not is_good(path):
            needless.append(path)
    return needless


def discard(path: Path) -> None:
    """Remove a folder so that a reader sees it whole or not at all."""
    trash = path.with_name(f"{TRASH}{path.name}-{secrets.token_hex(4)}")
    path.rename(trash)
    shutil.rmtree(trash, ignore_errors=True)


def leftovers(run_folder: Path) -> list[Path]:
    """Return what killed saves left behind in a run folder."""
    found: list[Path] = []
    for parent in (run_folder / FOLDER, run_folder):
        try:
            entries = sorted(os.scandir(parent), key=lambda entry: entry.name)
        except OSError:
            continue
        found += [Path(entry.path) for entry in entries if entry.name.startswith((ASIDE, TRASH))]
    return found


def sweep(run_folder: Path) -> None:
    """Remove what a killed save left behind; called by rank 0 at the start of an attempt."""
    for path in leftovers(run_folder):
        shutil.rmtree(path, ignore_errors=True)


def _files(folder: Path) -> Iterable[Path]:
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_dir():
            yield path


def _sum_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
