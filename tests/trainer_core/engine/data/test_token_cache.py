"""The cache: built once, verified at every use, whole or absent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from trainer_core.engine.data.token_cache import MANIFEST, cache_key, cached, read_verified
from trainer_core.errors import UserError


class Builder:
    """Writes two files and counts how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, folder: Path) -> dict[str, Any]:
        self.calls += 1
        (folder / "tokens.bin").write_bytes(bytes(range(256)) * 10)
        (folder / "train.npy").write_bytes(b"table")
        return {"rows": 7}


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_it_is_built_once_and_then_found() -> None:
    build = Builder()
    folder, content, was_there = cached("k", build)
    assert (content, was_there) == ({"rows": 7}, False)
    assert cached("k", build) == (folder, {"rows": 7}, True)
    assert build.calls == 1
    assert sorted(path.name for path in folder.iterdir()) == [MANIFEST, "tokens.bin", "train.npy"]


@pytest.mark.parametrize("name", ["tokens.bin", "train.npy", MANIFEST])
def test_a_flipped_bit_is_found_and_built_again(name: str) -> None:
    build = Builder()
    folder, _, _ = cached("k", build)
    place = (folder / MANIFEST).read_text().index("7") if name == MANIFEST else 3
    flip(folder / name, place)
    assert read_verified(folder) is None
    _, content, was_there = cached("k", build)
    assert (content, was_there, build.calls) == ({"rows": 7}, False, 2)
    assert read_verified(folder) == {"rows": 7}


def test_a_cut_or_missing_file_is_built_again() -> None:
    build = Builder()
    folder, _, _ = cached("k", build)
    os.truncate(folder / "tokens.bin", 100)
    cached("k", build)
    (folder / "train.npy").unlink()
    cached("k", build)
    (folder / MANIFEST).write_text("[]")
    assert cached("k", build)[2] is False
    assert build.calls == 4


def test_what_fails_leaves_nothing_behind() -> None:
    def fail(folder: Path) -> dict[str, Any]:
        (folder / "tokens.bin").write_bytes(b"half")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        cached("k", fail)
    root = Path(os.environ["XDG_CACHE_HOME"]) / "moai-tui" / "tokens"
    assert [path.name for path in root.iterdir()] == ["k.lock"]
    assert cached("k", Builder())[2] is False


def test_a_cache_that_cannot_be_written_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: Path) -> dict[str, Any]:
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match=r"No space left on device; free space there, or set XDG"):
        cached("k", full)


def test_keys_are_everything_that_shapes_the_rows() -> None:
    assert cache_key({"a": 1, "b": None}) == cache_key({"b": None, "a": 1})
    assert cache_key({"a": 1}) != cache_key({"a": 2})


SLOW_BUILD = """
import sys, time
from pathlib import Path
from trainer_core.engine.data.token_cache import cached

def build(folder):
    with open(sys.argv[1], "a") as note:
        note.write("built\\n")
    time.sleep(0.5)
    (folder / "tokens.bin").write_bytes(b"x")
    return {}

Path(sys.argv[2]).touch()
print(cached("k", build)[2])
"""


def test_two_processes_build_one_cache(tmp_path: Path) -> None:
    """The second waits for the first and finds its work."""
    note = tmp_path / "note"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    children = [
        subprocess.Popen(
            [sys.executable, "-c", SLOW_BUILD, str(note), str(tmp_path / f"started-{number}")],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for number in range(2)
    ]
    answers = sorted(child.communicate(timeout=60)[0].strip() for child in children)
    assert answers == ["False", "True"]
    assert note.read_text() == "built\n"


def test_a_killed_builder_holds_no_lock(tmp_path: Path) -> None:
    started = tmp_path / "started"
    code = SLOW_BUILD.replace("time.sleep(0.5)", "time.sleep(60)")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    note = tmp_path / "note"
    child = subprocess.Popen([sys.executable, "-c", code, str(note), str(started)], env=environment)
    deadline = time.monotonic() + 60
    while not note.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    child.kill()
    child.wait()
    assert cached("k", Builder())[1] == {"rows": 7}


def test_the_manifest_names_a_sum_for_every_file() -> None:
    folder, _, _ = cached("k", Builder())
    manifest = json.loads((folder / MANIFEST).read_text())
    assert sorted(manifest["files"]) == ["tokens.bin", "train.npy"]
    assert all(len(digest) == 64 for digest in manifest["files"].values())
