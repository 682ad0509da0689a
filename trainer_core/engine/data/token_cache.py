"""Keeps tokenised rows on disk: built once, verified at every use, shared by launches.

A folder `tokens/<key>` under the cache root holds flat files and a manifest with the sha256 of
each. It appears in one rename, after everything is flushed; a kernel lock beside it lets one
process build while others wait. Whatever does not match its sum is thrown away and built again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from trainer_core.durable import publish_folder, sha256_of
from trainer_core.errors import UserError
from trainer_core.folders import cache_root

MANIFEST = "manifest.json"


def cache_key(parts: dict[str, Any]) -> str:
    """Return the name of the folder for everything that shapes the rows."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def cached(key: str, build: Callable[[Path], dict[str, Any]]) -> tuple[Path, dict[str, Any], bool]:
    """Return the folder of a key, its manifest, and whether it was there already.

    Args:
        key: From `cache_key`.
        build: Writes the files into the folder it is given and returns what the manifest says
            about them.

    Raises:
        UserError: If the cache cannot be written; whatever `build` raises passes through.
    """
    folder = cache_root() / "tokens" / key
    try:
        with _locked(folder.with_suffix(".lock")):
            found = read_verified(folder)
            if found is not None:
                return folder, found, True
            shutil.rmtree(folder, ignore_errors=True)
            return folder, _built(folder, build), False
    except OSError as error:
        raise UserError(
            f"tokenised rows cannot be kept in {folder.parent}: {error.strerror or error}; "
            "free space there, or set XDG_CACHE_HOME to a folder you can write to"
        ) from error


def read_verified(folder: Path) -> dict[str, Any] | None:
    """Return what the manifest says; None if anything is missing or does not match its sum."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        content, files = manifest["content"], manifest["files"]
        if manifest["sha256"] != _sum_of(content, files):
            return None
        for name, expected in files.items():
            if sha256_of(folder / name) != expected:
                return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return dict(content)


def _built(folder: Path, build: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    partial = folder.with_name(f"{folder.name}.tmp-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        content = build(partial)
        files = {path.name: sha256_of(path) for path in sorted(partial.iterdir())}
        manifest = {"content": content, "files": files, "sha256": _sum_of(content, files)}
        (partial / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=True), encoding="utf-8")
        publish_folder(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return content


def _sum_of(content: dict[str, Any], files: dict[str, str]) -> str:
    text = json.dumps([content, files], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the kernel's lock on a file; where the file system has none, go on without.

    Without a lock two builders waste work but do no harm: each renames a folder of its own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as opened:
        with suppress(OSError):
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
