"""What can be removed from the disk without losing anything: found, shown, then removed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from trainer_core.folders import cache_root, runs_root, state_root
from trainer_core.run.processes.process import liveness
from trainer_core.run.record.directory import RunDirectory, read_exit, run_directories
from trainer_core.run.storage.checkpoints import discard, leftovers, superseded, verify

NEW_PREFIX = ".new-"
"""Of a run folder in the making; see `directory`."""
OLD_SECONDS = 3600.0
"""A run folder still in the making after so long was left there by a killed command."""


class Removable(msgspec.Struct, frozen=True, kw_only=True):
    """One file or folder that nobody would miss."""

    kind: str
    """`unfinished`, `superseded` or `cache`."""
    path: str
    bytes: int
    why: str
    run: str | None = None
    """Id of the run it belongs to."""


def removables() -> tuple[Removable, ...]:
    """Return everything that is safe to remove: nothing of a run that lives, here or elsewhere.

    Every checkpoint that stays is hashed first, so this takes as long as reading them.
    """
    runs = run_directories()
    lives = {run.id: liveness(run) for run in runs}
    found: list[Removable] = []
    for run in runs:
        if lives[run.id] == "dead":
            found += _of_run(run)
    found += _abandoned()
    if "alive" not in lives.values():  # a living run reads its rows and may start again
        found += _caches()
    return tuple(found)


def remove(item: Removable) -> bool:
    """Remove one of them, unless its run has come to life; returns whether it is gone."""
    if item.run is not None:
        run = next((run for run in run_directories() if run.id == item.run), None)
        if run is not None and liveness(run) != "dead":
            return False
    path = Path(item.path)
    try:
        if path.is_dir() and not path.is_symlink():
            discard(path)
        else:
            path.unlink(missing_ok=True)
    except OSError:
        return False
    return not path.exists()


def size_of(path: Path) -> int:
    """Return the bytes a file or folder takes on the disk; links are not followed."""
    try:
        size = _allocated(path)
    except OSError:
        return 0
    for folder, names, files in os.walk(path):
        for name in (*names, *files):
            try:
                size += _allocated(Path(folder) / name)
            except OSError:
                continue  # it went while we looked
    return size


def _of_run(run: RunDirectory) -> Iterator[Removable]:
    for path in leftovers(run.path):
        yield _item("unfinished", path, "left by a save that was killed", run.id)
    record = read_exit(run)
    finished = record is not None and record.state == "finished" and run.model_path.is_dir()
    keep = 1 if finished else max(2, _keep_of(run))
    is_good: Callable[[Path], bool] = lambda path: verify(path) is None  # noqa: E731
    for path in superseded(run.path, keep, is_good):
        why = "the run has finished" if finished else "newer ones are good"
        yield _item("superseded", path, f"{why}; the newest and the best stay", run.id)


def _keep_of(run: RunDirectory) -> int:
    from trainer_core.errors import UserError

    try:
        return run.config().checkpoint.keep
    except UserError:
        return 2


def _abandoned() -> Iterator[Removable]:
    for root in {runs_root(), state_root() / "runs"}:
        for path in _entries(root):
            if path.name.startswith(NEW_PREFIX) and _age(path) > OLD_SECONDS:
                yield _item("unfinished", path, "a run folder that was never finished")


def _caches() -> Iterator[Removable]:
    words = {
        "tokens": "tokenised rows; made again when needed",
        "models": "converted weights; made again when needed",
        "kernels": "compiled kernels; made again at the next start",
    }
    for name, why in words.items():
        for path in _entries(cache_root() / name):
            if path.is_dir():
                yield _item("cache", path, why)


def _item(kind: str, path: Path, why: str, run: str | None = None) -> Removable:
    return Removable(kind=kind, path=str(path), bytes=size_of(path), why=why, run=run)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(Path(entry.path) for entry in os.scandir(folder))
    except OSError:
        return []


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _allocated(path: Path) -> int:
    return path.lstat().st_blocks * 512
