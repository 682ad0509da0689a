"""Files that are whole or absent."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from trainer_core import durable


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.json"
    durable.write_whole(path, b"old")

    def refuse(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable.os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        durable.write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_writing_whole_flushes_before_it_renames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename without the flush leaves an empty file after a power cut."""
    order: list[str] = []
    real_fsync, real_replace = durable.os.fsync, Path.replace
    monkeypatch.setattr(
        durable.os, "fsync", lambda handle: (order.append("fsync"), real_fsync(handle))[1]
    )
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (order.append("rename"), real_replace(self, to))[1]
    )
    durable.write_whole(tmp_path / "a", b"x")
    assert order == ["fsync", "rename", "fsync"]


def test_a_written_file_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        durable.write_whole(tmp_path / "a", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_a_published_folder_replaces_the_older_one(tmp_path: Path) -> None:
    final = tmp_path / "model"
    for content in ("first", "second"):
        aside = tmp_path / ".tmp-model"
        (aside / "deep").mkdir(parents=True)
        (aside / "deep" / "file").write_text(content)
        durable.publish_folder(aside, final)
    assert (final / "deep" / "file").read_text() == "second"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_sha256_of_a_file_longer_than_one_piece(tmp_path: Path) -> None:
    data = bytes(range(256)) * (durable.CHUNK_BYTES // 256 + 3)
    (tmp_path / "big").write_bytes(data)
    assert durable.sha256_of(tmp_path / "big") == hashlib.sha256(data).hexdigest()
