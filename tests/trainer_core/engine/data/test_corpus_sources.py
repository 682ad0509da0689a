"""Wheels and folders as sources of text: licences, and what of them is read."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from trainer_core.engine.data.corpus_sources import read_sources
from trainer_core.engine.data.python_source import split_of
from trainer_core.errors import DataError


def wheel(folder: Path, name: str, head: str, files: dict[str, str]) -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}-1.0.dist-info/METADATA", head + "\n\nLicense: GPL, said below\n")
        for member, text in files.items():
            archive.writestr(member, text)
    return path


def listing(folder: Path, *lines: str) -> Path:
    path = folder / "sources.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("head", "licence"),
    [
        ("License-Expression: MIT", "MIT"),
        ("Classifier: License :: OSI Approved :: BSD License", "BSD License"),
        ("License: Apache 2.0", "Apache 2.0"),
        ("License-Expression: Apache-2.0 OR GPL-2.0-or-later", "Apache-2.0 OR GPL-2.0-or-later"),
    ],
)
def test_a_wheel_says_its_licence(tmp_path: Path, head: str, licence: str) -> None:
    wheel(tmp_path, "a", head, {})
    (source,) = read_sources(listing(tmp_path, "*.whl  # all"))
    assert (source.name, source.licence, source.held_out) == ("a-1.0", licence, False)
    assert len(source.sha256()) == 64


@pytest.mark.parametrize("head", ["License: GPL-3.0", "License-Expression: MIT AND MPL-2.0", ""])
def test_what_is_not_permissive_is_refused(tmp_path: Path, head: str) -> None:
    wheel(tmp_path, "a", head, {})
    with pytest.raises(DataError, match="licence"):
        read_sources(listing(tmp_path, "*.whl"))


def test_a_pattern_without_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sources.txt \(line 2\): 'x\*.whl' matches nothing"):
        read_sources(listing(tmp_path, "", "x*.whl"))
    with pytest.raises(DataError, match="neither a wheel nor a folder"):
        read_sources(listing(tmp_path, "nowhere MIT"))


def test_tests_copies_and_generated_files_are_not_read(tmp_path: Path) -> None:
    files = ["a/b.py", "a/tests/c.py", "a/_vendor/d.py", "a/e_pb2.py", "a/test_f.py", "a/g.json"]
    wheel(tmp_path, "a", "License: MIT", dict.fromkeys(files, "x"))
    (source,) = read_sources(listing(tmp_path, "*.whl"))
    assert list(source.texts()) == [("a/b.py", b"x")]


def test_held_out_sources_come_last_and_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        wheel(tmp_path, name, "License: MIT", {})
    found = read_sources(listing(tmp_path, "*.whl", "held-out a-*.whl"))
    assert [(source.name, source.held_out) for source in found] == [
        ("b-1.0", False),
        ("a-1.0", True),
    ]


def test_the_standard_library_lacks_what_is_held_out(tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(60)]
    for name in names:
        (tmp_path / f"{name}.py").write_text(name)
    (source,) = read_sources(listing(tmp_path, f"{tmp_path} PSF-2.0 stdlib"))
    read = [Path(name).stem for name, _ in source.texts()]
    assert (source.licence, source.standard_library) == ("PSF-2.0", True)
    assert read == sorted(name for name in names if split_of(name) == "train")
    assert len(read) < len(names)
