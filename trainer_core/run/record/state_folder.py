"""The state root: its owner's alone, with the lock on names and the index of runs elsewhere."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainer_core.durable import write_whole
from trainer_core.errors import UserError
from trainer_core.folders import state_root

_NAMES_LOCK = "names.lock"
_INDEX = "index"


def require_private(path: Path) -> None:
    """Make the folder if it is missing, and refuse one that other users could change.

    Raises:
        UserError: It belongs to somebody else, or others may write in it.
        OSError: It cannot be made.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.stat()
    if found.st_uid != os.getuid():
        raise UserError(
            f"{path}: it belongs to another user; set MOAI_TUI_HOME to a folder of yours"
        )
    if found.st_mode & 0o022:
        raise UserError(
            f"{path}: other users may write here; make it yours alone with `chmod 700 {path}`, "
            "or set MOAI_TUI_HOME to another folder"
        )


@contextmanager
def names_locked() -> Iterator[None]:
    """Serialise naming: two launches of one name at once must not both get it."""
    path = state_root() / _NAMES_LOCK
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            raise UserError(
                f"{state_root()}: this file system has no file locks ({error.strerror}); "
                "set MOAI_TUI_HOME to a folder on a local disk"
            ) from error
        yield
    finally:
        os.close(file)


def remember(run_folder: Path) -> None:
    """Note a run folder that stands outside the state root, so that it is found again."""
    index = state_root() / _INDEX
    index.mkdir(mode=0o700, exist_ok=True)
    write_whole(index / run_folder.name, os.fsencode(run_folder.absolute()))


def forget(run_id: str) -> None:
    """Take a run out of the index; one that is not in it is no mistake."""
    (state_root() / _INDEX / run_id).unlink(missing_ok=True)


def remembered(run_id: re.Pattern[str]) -> list[tuple[str, Path]]:
    """Return (id, folder) of the noted run folders that still stand.

    Args:
        run_id: What an id looks like; other names in the index are left alone.
    """
    found = []
    try:
        entries = [
            entry for entry in os.scandir(state_root() / _INDEX) if run_id.fullmatch(entry.name)
        ]
    except OSError:
        return []
    for entry in entries:
        path = Path(os.fsdecode(Path(entry.path).read_bytes()))
        if path.name == entry.name and path.is_dir():
            found.append((entry.name, path))
    return found
