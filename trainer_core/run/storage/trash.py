"""The trash: run folders that nobody lists any more and that one key brings back.

A run goes to `.trash/` beside its folder, by one rename on the same disk. What has lain there
for a week goes for good when the next run comes in.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trainer_core.errors import UserError
from trainer_core.run.processes.identity import RunLock, own_identity
from trainer_core.run.processes.process import liveness
from trainer_core.run.record.directory import RunDirectory

TRASH = ".trash"

KEPT_SECONDS = 7 * 86400.0
"""How long a run can be brought back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderContent:
    """What a person would miss of a run folder."""

    size_bytes: int
    """Of all files, as they are long."""
    checkpoints: int
    has_model: bool


def content_of(directory: RunDirectory) -> FolderContent:
    """Look through a run folder; links are not followed."""
    size = 0
    for folder, _, names in os.walk(directory.path):
        for name in names:
            try:
                size += (Path(folder) / name).lstat().st_size
            except OSError:
                continue  # it went while we looked
    try:
        checkpoints = sum(
            entry.name.startswith("step-") for entry in os.scandir(directory.checkpoints_path)
        )
    except OSError:
        checkpoints = 0
    return FolderContent(
        size_bytes=size, checkpoints=checkpoints, has_model=directory.model_path.is_dir()
    )


def trash_run(directory: RunDirectory) -> None:
    """Move a run that has ended into the trash.

    Raises:
        UserError: If it runs, here or on another host, or cannot be moved.
    """
    target = directory.path.parent / TRASH / directory.id
    with _held(directory):
        try:
            target.parent.mkdir(mode=0o700, exist_ok=True)
            directory.path.rename(target)
        except OSError as error:
            raise _cannot("moved to the trash", directory, error) from error
    os.utime(target)  # from now on it is a week
    empty_trash(target.parent, older_than_seconds=KEPT_SECONDS)


def restore_run(directory: RunDirectory) -> None:
    """Bring a run back from the trash; `directory` is where it stood.

    Raises:
        UserError: If it is not there any more, or cannot be moved.
    """
    source = directory.path.parent / TRASH / directory.id
    if not source.is_dir():
        raise UserError(f"run {directory.id} is not in the trash any more")
    try:
        source.rename(directory.path)
    except OSError as error:
        raise _cannot("brought back", directory, error) from error


def empty_trash(trash: Path, *, older_than_seconds: float = 0.0) -> int:
    """Remove what has lain in a trash folder for so long; returns how many runs went."""
    now, removed = time.time(), 0
    try:
        entries = list(os.scandir(trash))
    except OSError:
        return 0
    for entry in entries:
        if now - entry.stat(follow_symlinks=False).st_mtime >= older_than_seconds:
            shutil.rmtree(entry.path, ignore_errors=True)
            removed += 1
    return removed


@contextmanager
def _held(directory: RunDirectory) -> Iterator[None]:
    """Hold the run's lock, so that nobody resumes it meanwhile."""
    life = liveness(directory)
    if life == "elsewhere":
        raise UserError(f"run {directory.id} belongs to another host; delete it there")
    lock = RunLock(directory.lock_path)
    try:
        free = life == "dead" and lock.acquire(own_identity(time.time()))
    except OSError as error:
        raise _cannot("moved to the trash", directory, error) from error
    if not free:
        raise UserError(f"run {directory.id} is running; stop it before you delete it")
    try:
        yield
    finally:
        lock.release()


def _cannot(what: str, directory: RunDirectory, error: OSError) -> UserError:
    return UserError(
        f"{directory.path}: the run cannot be {what} ({error.strerror}); see who may write there"
    )
