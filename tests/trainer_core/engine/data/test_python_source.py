"""Pairs from Python code: which functions, which text, the same bytes every time."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from trainer_core.builtin import PYTHON_STDLIB
from trainer_core.engine.data.python_source import extract, main, split_of, write_dataset

GOOD = '''
import functools

class Shape:
    @functools.cache
    def area(self, scale=1):
        """Return the area of this shape in square units.

        More that is not asked for.
        """

        # kept: a comment before the code
        width = self.width * scale

        return width * self.height


async def fetch(address):
    """Fetch an address and return what it says in full."""
    reply = await ask(address)
    return reply.text
'''

LEFT_OUT = (
    '''
def _private():
    """Return something that nobody outside should ask for."""
    value = 1
    return value

def short_summary():
    """Return a thing."""
    value = 1
    return value

def one_line():
    """Return the thing that is described in this docstring."""
    return 1

def only_raises():
    """Raise an error because this is not written yet, sadly."""
    raise NotImplementedError

def outer():
    """Return a function that does what an inner function does."""
    def inner():
        """Return the value that the outer function does not."""
        value = 1
        return value
    return inner

def long_body():
    """Return after many lines of code that say the same again."""
'''
    + "    value = 1\n" * 26
)

WHERE = "Write the Python method `area` of class `Shape` (module `pack.shapes`): "


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_row_asks_by_docstring_and_answers_with_code(tmp_path: Path) -> None:
    write(tmp_path, "pack/shapes.py", GOOD)
    method, function = extract(tmp_path)
    assert method["instruction"] == f"{WHERE}Return the area of this shape in square units."
    assert method["input"] == "def area(self, scale=1):"
    assert method["output"] == (
        "def area(self, scale=1):\n"
        "    # kept: a comment before the code\n"
        "    width = self.width * scale\n"
        "\n"
        "    return width * self.height"
    )
    assert function["output"].startswith("async def fetch(address):\n    reply = await")


def test_what_makes_no_good_row_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "module.py", LEFT_OUT)
    names = [row["input"] for row in extract(tmp_path)]
    assert names == ["def outer():"]


def test_tests_packages_and_broken_files_are_passed_over(tmp_path: Path) -> None:
    for name in ("tests/a.py", "x/site-packages/b.py", ".venv/c.py", "idlelib/d.py"):
        write(tmp_path, name, GOOD)
    write(tmp_path, "broken.py", "def f(:\n")
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9\n" + GOOD.encode())
    (tmp_path / "nul.py").write_bytes(b"x = '\x00'\n")
    assert extract(tmp_path) == []


def test_equal_functions_are_one_row_and_held_out_bodies_stand_in_no_training_row(
    tmp_path: Path,
) -> None:
    held_out = next(f"m{n}" for n in range(200) if split_of(f"m{n}") == "validation")
    trained = next(f"n{n}" for n in range(200) if split_of(f"n{n}") == "train")
    write(tmp_path, f"{trained}.py", GOOD)
    write(tmp_path, f"{trained}_more.py", GOOD)
    assert len(extract(tmp_path)) == 2
    twin = GOOD.replace("def fetch(", "def fetch_again(").replace("self.width", "self.length")
    write(tmp_path, f"{held_out}.py", twin)
    found = {(row["module"], row["input"]) for row in extract(tmp_path)}
    assert found == {
        (held_out, "def area(self, scale=1):"),
        (trained, "def area(self, scale=1):"),
        (trained, "async def fetch(address):"),
    }


def test_private_modules_stand_last(tmp_path: Path) -> None:
    write(tmp_path, "_first.py", GOOD)
    write(tmp_path, "later.py", GOOD.replace("scale", "factor").replace("address", "place"))
    assert [row["module"] for row in extract(tmp_path)] == ["later"] * 2 + ["_first"] * 2


def test_the_split_is_by_module_and_stable() -> None:
    assert [split_of(name) for name in ("ast", "collections", "abc", "shutil")] == [
        "validation",
        "validation",
        "train",
        "train",
    ]


def test_the_file_is_the_same_every_time(tmp_path: Path) -> None:
    write(tmp_path, "pack/shapes.py", GOOD)
    rows = extract(tmp_path / "pack")
    first = write_dataset(rows, tmp_path / "a.jsonl.gz")
    assert write_dataset(rows, tmp_path / "b.jsonl.gz") == first
    lines = gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()).decode().splitlines()
    assert [json.loads(line) for line in lines] == rows


def test_the_command_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "pack/shapes.py", GOOD)
    assert main([str(tmp_path / "a.jsonl.gz"), str(tmp_path / "pack")]) == 0
    assert capsys.readouterr().out.startswith("2 rows, 0 held out, sha256 ")
    assert main([]) == 2


def test_the_frozen_rows_are_what_the_readme_says() -> None:
    import hashlib

    readme = (PYTHON_STDLIB.parent / "README.md").read_text()
    assert hashlib.sha256(PYTHON_STDLIB.read_bytes()).hexdigest() in readme
    licence = (PYTHON_STDLIB.parent / "LICENSE").read_text()
    assert "Python Software Foundation; All Rights Reserved" in licence
    rows = [json.loads(line) for line in gzip.open(PYTHON_STDLIB, "rt", encoding="utf-8")]
    assert len(rows) == 2320
    assert all(row["split"] == split_of(row["module"]) for row in rows)
    bodies = {row["output"].partition("\n")[2] for row in rows if row["split"] == "train"}
    held_out = [row for row in rows if row["split"] == "validation"]
    assert not [row for row in held_out if row["output"].partition("\n")[2] in bodies]
