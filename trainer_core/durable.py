"""Files that are whole after a crash or a power cut: write aside, flush to disk, rename.

A rename alone is not enough: without the flush before it a power cut leaves an empty file
under the final name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

CHUNK_BYTES = 8 * 2**20


def sync_folder(folder: Path) -> None:
    """Flush a folder's own entries (names made, renamed or removed in it)."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Flush one file's bytes."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(path: Path, data: bytes) -> None:
    """Replace `path` so that a reader sees the old bytes or the new ones, never a part.

    The file is its owner's alone, whatever the umask.
    """
    aside = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def publish_folder(aside: Path, final: Path) -> None:
    """Give a finished folder its name; an older one of that name is moved away first.

    Both must stand in the same parent folder. Every file in `aside` is flushed before.
    """
    for path in sorted(aside.rglob("*")):
        if path.is_file():
            sync_file(path)
        elif path.is_dir():
            sync_folder(path)
    sync_folder(aside)
    trash = None
    if final.exists():
        trash = final.with_name(f".trash-{final.name}-{os.urandom(4).hex()}")
        final.rename(trash)
    aside.rename(final)
    sync_folder(final.parent)
    if trash is not None:
        shutil.rmtree(trash, ignore_errors=True)


def sha256_of(path: Path, on_bytes: Callable[[int], None] | None = None) -> str:
    """Return the hexadecimal SHA-256 of a file that is no link, read in pieces.

    Args:
        path: What is read.
        on_bytes: Told after each piece how many bytes it had.
    """
    import hashlib  # loads OpenSSL: not for those who only write

    digest = hashlib.sha256()
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with open(handle, "rb", buffering=0) as file:
        while piece := file.read(CHUNK_BYTES):
            digest.update(piece)
            if on_bytes is not None:
                on_bytes(len(piece))
    return digest.hexdigest()
