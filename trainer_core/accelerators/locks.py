"""Devices locked for the whole machine: one `flock` file a device, shared by all users.

The kernel frees a lock when its holder dies, however it dies; files are never deleted, so two
processes can never hold "the same" lock on different files. The file holds one readable line
about its holder, which counts only while the lock is taken.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer_core.errors import UserError

TRIES = 8
"""A reader holds a shared lock for microseconds; a writer asks again rather than believe it."""

PAUSE_SECONDS = 0.015

NEWS_SECONDS = 60.0
LONGEST_LINE_BYTES = 64 * 1024
"""384 devices of 40 letters each, and more."""

LAST_MOMENT = 4e9
"""Some day in 2096."""

SHARED_DIRECTORY_MODE = 0o1777
SHARED_FILE_MODE = 0o666


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """Who holds a device."""

    run_id: str
    """Id of the run, `unknown` where the holder left no line."""
    user: str | None = None
    pid: int | None = None
    since: float | None = None
    """Unix time in seconds."""
    until: float | None = None
    """Unix time at which the holder expects to be done; None while it does not know."""
    name: str | None = None
    """The run's name, where its owner shares it."""


def lock_directory() -> Path:
    """Return the folder every user's locks stand in: the same answer for all of them.

    `MOAI_TUI_LOCKS` where it is set (containers that share cards mount one folder), else
    `/run/lock/moai-tui` where `/run/lock` is open to everybody, else `/var/tmp/moai-tui`.
    """
    chosen = os.environ.get("MOAI_TUI_LOCKS")
    if chosen:
        return Path(chosen).expanduser()
    run_lock = Path("/run/lock")
    try:
        open_to_all = bool(run_lock.stat().st_mode & 0o002)
    except OSError:
        open_to_all = False
    return run_lock / "moai-tui" if open_to_all else Path("/var/tmp/moai-tui")  # noqa: S108 - sticky, 0666, nothing secret


def lock_path(uuid: str, directory: Path | None = None) -> Path:
    """Return the lock file of a device, its UUID made safe for a file name."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", uuid)[:200].lstrip(".") or "_"
    return (directory or lock_directory()) / f"{safe}.lock"


class DeviceLocks:
    """The locks of one run on its devices: all of them or none."""

    def __init__(self, uuids: Sequence[str], run_id: str) -> None:
        self._uuids = tuple(sorted(set(uuids)))
        self._run_id = run_id
        self._descriptors: dict[str, int] = {}
        self._line: dict[str, object] = {}

    @property
    def held(self) -> bool:
        """Whether every device is locked by this object."""
        return bool(self._descriptors)

    def acquire(self) -> Holder | None:
        """Take every lock now, without waiting.

        Returns:
            None when all are taken; else who holds the first one that was not free, and none
            is kept.

        Raises:
            UserError: The folder cannot be used; the sentence names `MOAI_TUI_LOCKS`.
        """
        if self._descriptors:
            return None
        directory = shared_directory()
        taken: dict[str, int] = {}
        self._line = {
            "run": self._run_id,
            "user": user_name(),
            "pid": os.getpid(),
            "devices": list(self._uuids),
            "since": round(time.time(), 3),
        }
        try:
            for uuid in self._uuids:
                descriptor = _open_shared(lock_path(uuid, directory))
                taken[uuid] = descriptor
                if not _try_lock(descriptor, fcntl.LOCK_EX):
                    holder = _read_holder(descriptor)
                    _close_all(taken)
                    return holder
                _write_holder(descriptor, self._line)
        except OSError as error:
            _close_all(taken)
            raise _unusable(directory, error) from error
        self._descriptors = taken
        return None

    def publish(self, until: float | None, name: str | None = None) -> None:
        """Let everybody on this machine read until when these devices are likely held.

        Args:
            until: Unix time in seconds; None is unknown. Moves of less than a minute are no news.
            name: The run's name, if others may read it.
        """
        known = self._line.get("until")
        near = isinstance(known, float) and until is not None and abs(known - until) < NEWS_SECONDS
        if near or (known is None and until is None):
            return
        self._line |= {"until": until if until is None else round(until, 3), "name": name}
        for descriptor in self._descriptors.values():
            _write_holder(descriptor, self._line)

    def release(self) -> None:
        """Free every lock; the files stay."""
        for descriptor in self._descriptors.values():
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
        _close_all(self._descriptors)
        self._descriptors = {}

    def holders(self) -> dict[str, str]:
        """Return the run id of everybody who holds one of these devices now, by UUID."""
        return {uuid: holder.run_id for uuid, holder in read_holders(self._uuids).items()}

    def __enter__(self) -> DeviceLocks:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def read_holders(uuids: Iterable[str]) -> dict[str, Holder]:
    """Return who holds which device now; free devices are left out.

    A left-over line in a file whose lock is free says nothing. A folder or file that cannot be
    read holds nobody: `DeviceLocks.acquire` and `doctor` report it.
    """
    directory = lock_directory()
    holders: dict[str, Holder] = {}
    for uuid in uuids:
        try:
            descriptor = os.open(lock_path(uuid, directory), os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            holders[uuid] = _read_holder(descriptor)
        except OSError:
            continue
        finally:
            os.close(descriptor)
    return holders


def try_locking(directory: Path) -> str | None:
    """Try a lock in a folder; say in one sentence why it does not work, None where it does.

    A folder that is not there yet is not made: the nearest one above it is tried.
    """
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    path = directory / f".lock-test-{os.getpid()}"
    try:
        first = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        second = os.open(path, os.O_RDWR)
    except OSError as error:
        return f"{directory} cannot be written: {error.strerror}"
    try:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _try_lock(second, fcntl.LOCK_EX, tries=1):
            return f"{directory} is on a file system that grants one lock twice"
    except OSError as error:
        return f"{directory} is on a file system without locks: {error.strerror}"
    finally:
        os.close(first)
        os.close(second)
        path.unlink(missing_ok=True)
    return None


def shared_directory() -> Path:
    """Make the folder for all users, sticky so that nobody removes another's file; returns it.

    Raises:
        UserError: It cannot be used; the sentence names `MOAI_TUI_LOCKS`.
    """
    directory = lock_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        status = directory.lstat()
        if status.st_uid == os.getuid() and status.st_mode & 0o7777 != SHARED_DIRECTORY_MODE:
            directory.chmod(SHARED_DIRECTORY_MODE)  # mkdir's mode is cut by the umask
    except OSError as error:
        raise _unusable(directory, error) from error
    if directory.is_symlink() and not os.environ.get("MOAI_TUI_LOCKS"):
        raise UserError(
            f"The lock folder {directory} is a symbolic link; remove it or set MOAI_TUI_LOCKS "
            "to a folder that all users of this machine share"
        )
    return directory


def _open_shared(path: Path) -> int:
    """Open a lock file that any user may have made; descriptors are not inherited."""
    flags = os.O_RDWR | os.O_NOFOLLOW
    try:
        # Without O_CREAT first: fs.protected_regular refuses it on another user's file.
        return os.open(path, flags)
    except FileNotFoundError:
        try:
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, SHARED_FILE_MODE)
        except FileExistsError:
            return os.open(path, flags)
        os.fchmod(descriptor, SHARED_FILE_MODE)
        return descriptor


def _try_lock(descriptor: int, kind: int, tries: int = TRIES) -> bool:
    for attempt in range(tries):
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt < tries - 1:
                time.sleep(PAUSE_SECONDS)
        else:
            return True
    return False


def _write_holder(descriptor: int, fields: dict[str, object]) -> None:
    line = f"{json.dumps(fields)}\n".encode()
    with contextlib.suppress(OSError):  # a full disk takes the holder's name, not the lock
        os.pwrite(descriptor, line, 0)
        os.ftruncate(descriptor, len(line))  # after it: a reader never finds the file empty


def _read_holder(descriptor: int) -> Holder:
    try:
        text = os.pread(descriptor, LONGEST_LINE_BYTES, 0).decode("utf-8", "replace")
        fields = json.loads(text.partition("\n")[0])
    except (OSError, ValueError, RecursionError):
        return Holder(run_id="unknown")
    if not isinstance(fields, dict):
        return Holder(run_id="unknown")
    pid = fields.get("pid")
    return Holder(
        run_id=plain_word(fields.get("run")) or "unknown",
        user=plain_word(fields.get("user")),
        pid=pid if isinstance(pid, int) and 0 < pid < 2**31 else None,
        since=_moment(fields.get("since")),
        until=_moment(fields.get("until")),
        name=plain_word(fields.get("name")),
    )


def _moment(value: object) -> float | None:
    """Return a Unix time another user may have written; None where it can be none."""
    known = isinstance(value, int | float) and 0 < value < LAST_MOMENT
    return float(value) if known and isinstance(value, int | float) else None


def plain_word(value: object) -> str | None:
    """Keep one short printable word of what another user may have written."""
    if not isinstance(value, str):
        return None
    return "".join(letter for letter in value if letter.isprintable())[:100] or None


def user_name() -> str:
    """Return this process's login name, its number where the system has no name for it."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _close_all(descriptors: dict[str, int]) -> None:
    for descriptor in descriptors.values():
        with contextlib.suppress(OSError):
            # Closing alone leaves the lock to a child that is between fork and exec.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _unusable(directory: Path, error: OSError) -> UserError:
    return UserError(
        f"Devices cannot be locked in {directory} ({error.strerror}); set MOAI_TUI_LOCKS to a "
        "local folder that all users of this machine may write"
    )
