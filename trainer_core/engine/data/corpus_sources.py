"""Where the text of a pretraining corpus comes from: wheels and folders, with their licences.

A list of sources is a text file with one `[held-out] PATH [LICENCE]` a line, `#` for comments. A
path is a wheel, a folder, or a pattern of them (`wheels/*.whl`), relative to the list.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from trainer_core.engine.data.python_source import split_of
from trainer_core.errors import DataError

HELD_OUT = "held-out"

STANDARD_LIBRARY = "stdlib"
"""A folder marked `stdlib` is left without the modules `python-stdlib` holds out."""

PERMISSIVE = re.compile(
    r"MIT|BSD|Apache|PSF|Python Software Foundation|ISC\b|HPND|CC0|Zlib|Public Domain|Unlicense"
    r"|Biopython",
    re.IGNORECASE,
)
"""Licences a corpus may be made of."""

RECIPROCAL = re.compile(r"GPL|MPL|Mozilla|EUPL|CDDL|EPL|SSPL|BUSL|Commons Clause", re.IGNORECASE)

_ENDINGS = (".py", ".rst", ".rst.txt", ".md")
_LEFT_OUT_FOLDERS = frozenset(
    "test tests testing idlelib idle_test lib2to3 encodings pydoc_data site-packages dist-packages "
    "ensurepip turtledemo __pycache__ node_modules build dist _vendor vendor vendored _vendored "
    "third_party thirdparty extern _extern externals migrations locale locales conf static "
    "_generated generated gallery auto_examples release_notes releases changes whatsnew".split()
)
"""Tests, copies of other packages, generated and translated text."""
_LEFT_OUT_NAMES = re.compile(
    r"^(test_.*|.*_tests?|conftest|.*_pb2|.*_pb2_grpc|_?version|setup|changelog.*|changes.*"
    r"|authors.*|contributors.*|credits.*|licen[cs]e.*|releases?|history|news|v?\d[\d.]*)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class CorpusSource:
    """One package or folder of text."""

    name: str
    """`numpy-2.4.6`, or the folder's."""
    path: Path
    licence: str
    held_out: bool
    """Whether its text is for evaluation only."""
    standard_library: bool = False

    def sha256(self) -> str:
        """Return the sha256 of a wheel; of a folder, that of its text files' names and bytes."""
        if self.path.is_file():
            with self.path.open("rb") as opened:
                return hashlib.file_digest(opened, "sha256").hexdigest()
        digest = hashlib.sha256()
        for name, content in self.texts():
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()

    def texts(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of every Python and prose file worth reading, by name.

        Raises:
            DataError: If the wheel cannot be opened.
        """
        if not self.path.is_file():
            for path in sorted(self.path.rglob("*")):
                name = path.relative_to(self.path).as_posix()
                if self._wanted(name) and path.is_file():
                    yield name, path.read_bytes()
            return
        with _opened(self.path) as archive:
            for name in sorted(archive.namelist()):
                if self._wanted(name):
                    yield name, archive.read(name)

    def _wanted(self, name: str) -> bool:
        path = PurePosixPath(name)
        stem = path.name.split(".")[0]
        if not path.name.endswith(_ENDINGS) or _LEFT_OUT_NAMES.match(stem):
            return False
        if any(part in _LEFT_OUT_FOLDERS or part.startswith(".") for part in path.parts[:-1]):
            return False
        return not self.standard_library or split_of(_module_name(path)) == "train"


def read_sources(listing: Path) -> list[CorpusSource]:
    """Return the sources of a list, those held out last.

    Raises:
        DataError: If a line names nothing, or a licence is missing or not permissive.
    """
    found: list[CorpusSource] = []
    for number, raw in enumerate(listing.read_text(encoding="utf-8").splitlines(), 1):
        line = raw.partition("#")[0].strip()
        if not line:
            continue
        held_out = line.startswith(HELD_OUT + " ")
        pattern, _, licence = line.removeprefix(HELD_OUT).strip().partition(" ")
        paths = sorted(listing.parent.glob(pattern)) if "*" in pattern else [Path(pattern)]
        for path in paths:
            found.append(_source(listing.parent / path, licence.strip(), held_out))
        if not paths:
            raise DataError(listing.name, f"{pattern!r} matches nothing", "fetch it", line=number)
    names = {source.path: source for source in found}
    return sorted(names.values(), key=lambda source: source.held_out)


def _source(path: Path, licence: str, held_out: bool) -> CorpusSource:
    name = path.name
    if path.suffix == ".whl":
        licence = licence or _licence_of_wheel(path)
        name = "-".join(path.name.split("-")[:2])
    elif not path.is_dir():
        raise DataError(str(path), "is neither a wheel nor a folder", "check the path")
    standard = licence.endswith(STANDARD_LIBRARY)
    licence = licence.removesuffix(STANDARD_LIBRARY).strip()
    # Of a choice ("Apache-2.0 OR GPL-2.0") the permissive one is taken.
    choices = re.split(r"\bOR\b", licence)
    if not any(PERMISSIVE.search(part) and not RECIPROCAL.search(part) for part in choices):
        said = f"its licence is {licence!r}" if licence else "it names no licence"
        raise DataError(name, said, "leave it out, or write a permissive licence behind it")
    return CorpusSource(
        name=name, path=path, licence=licence, held_out=held_out, standard_library=standard
    )


def _licence_of_wheel(path: Path) -> str:
    """Return what a wheel's metadata says: expression, else classifiers, else its own words."""
    with _opened(path) as archive:
        member = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        head = archive.read(member).decode("utf-8", "replace").partition("\n\n")[0]
    expression = re.findall(r"^License-Expression: (.+)$", head, re.MULTILINE)
    classified = re.findall(r"^Classifier: License ::.*:: (.+)$", head, re.MULTILINE)
    words = re.findall(r"^License: (.+)$", head, re.MULTILINE)
    return ", ".join(expression or classified or words[:1]).strip()[:80]


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(path.name, f"is no whole wheel: {error}", "fetch it again") from error


def _module_name(path: PurePosixPath) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
