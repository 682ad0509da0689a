"""Instruction and code pairs from any folder of Python: `python:PATH`.

A row asks for one function or method by its docstring and answers with its code. The built-in
dataset `python-stdlib` is what this module makes of CPython's standard library:

    python3.11 -m trainer_core.engine.data.python_source rows.jsonl.gz

Standard library only; the same sources give the same bytes.
"""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
import re
import sys
import sysconfig
import textwrap
from collections.abc import Iterator
from pathlib import Path

SKIPPED_FOLDERS = frozenset(
    "test tests idlelib idle_test lib2to3 encodings pydoc_data site-packages dist-packages "
    "ensurepip turtledemo __pycache__ node_modules build dist".split()
)
"""Tests, generated tables and installed packages: code that answers no docstring."""

BODY_LINES = range(2, 26)
"""Lines of code after the docstring: one line is a getter, more than 25 outgrow a small model."""
SUMMARY_CHARACTERS = 30
"""Shorter summaries do not say what the code must do."""
OUTPUT_CHARACTERS = 1200
_VALIDATION_SHARE = 20
"""One module in twenty is held out."""

Row = dict[str, str]
"""Keys: module, split (`train` or `validation`), instruction, input, output."""


def extract(folder: Path) -> list[Row]:
    """Return every usable function below a folder, in the order of the files' names.

    Files that are no valid Python of this interpreter's version, or not UTF-8, are left out.
    Functions with the same signature and body are kept once. Held-out rows are chosen by module,
    so that siblings of one class never stand on both sides, and those whose body also stands in
    a training row are dropped.
    """
    rows: list[Row] = []
    bodies: list[str] = []
    seen: set[tuple[str, str]] = set()
    for path in _python_files(folder):
        module = _module_name(path.relative_to(folder))
        for row, body in _rows_of_file(path, module):
            key = (row["input"], body)
            if key not in seen:
                seen.add(key)
                rows.append(row)
                bodies.append(body)
    trained = {body for row, body in zip(rows, bodies, strict=True) if row["split"] == "train"}
    return [
        row
        for row, body in zip(rows, bodies, strict=True)
        if row["split"] == "train" or body not in trained
    ]


def split_of(module: str) -> str:
    """Return `validation` or `train` for a module; adding modules moves no other."""
    digest = hashlib.sha256(module.encode()).hexdigest()
    return "validation" if int(digest[:8], 16) % _VALIDATION_SHARE == 0 else "train"


def write_dataset(rows: list[Row], path: Path) -> str:
    """Write rows as gzipped JSON lines and return the sha256 of the file, always the same."""
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
        packed.write(lines.encode())
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _python_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*.py"), key=lambda path: _place(path.relative_to(folder))):
        parents = path.relative_to(folder).parts[:-1]
        if not any(part in SKIPPED_FOLDERS or part.startswith(".") for part in parents):
            yield path


def _place(relative: Path) -> list[tuple[bool, str]]:
    """Sort by name, private modules last: the first rows of a dataset are those people see."""
    return [(part.startswith("_"), part) for part in relative.parts]


def _module_name(relative: Path) -> str:
    parts = relative.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _rows_of_file(path: Path, module: str) -> Iterator[tuple[Row, str]]:
    try:
        source = path.read_bytes().decode("utf-8")
        tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    lines = source.splitlines(keepends=True)
    for node, owner in _functions(tree, None):
        found = _row(node, owner, module, lines)
        if found is not None:
            yield found


def _functions(
    tree: ast.AST, owner: str | None
) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, str | None]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, owner
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, node.name)
        elif isinstance(node, ast.If | ast.Try):
            yield from _functions(node, owner)


def _row(
    node: ast.FunctionDef | ast.AsyncFunctionDef, owner: str | None, module: str, lines: list[str]
) -> tuple[Row, str] | None:
    summary = _summary(ast.get_docstring(node))
    if node.name.startswith("_") or len(summary) < SUMMARY_CHARACTERS or len(node.body) < 2:
        return None
    if len(node.body) == 2 and isinstance(node.body[1], ast.Pass | ast.Raise):
        return None
    # A comment between docstring and code belongs to the code; one before the docstring is rare.
    first = (node.body[0].end_lineno or node.body[0].lineno) + 1
    body = _dedented(lines, first, node.body[-1].end_lineno or node.body[-1].lineno)
    signature = _dedented(lines, node.lineno, node.body[0].lineno - 1)
    if body is None or signature is None or len(body.splitlines()) not in BODY_LINES:
        return None
    output = f"{signature}\n{textwrap.indent(body, '    ')}"
    if len(output) >= OUTPUT_CHARACTERS or not _parses(output):
        return None
    kind = f"method `{node.name}` of class `{owner}`" if owner else f"function `{node.name}`"
    instruction = f"Write the Python {kind} (module `{module}`): {summary}"
    row = {
        "module": module,
        "split": split_of(module),
        "instruction": instruction,
        "input": signature,
        "output": output,
    }
    return row, body


def _summary(docstring: str | None) -> str:
    paragraph = re.split(r"\n\s*\n", (docstring or "").strip(), maxsplit=1)[0]
    return re.sub(r"\s+", " ", paragraph).strip()


def _dedented(lines: list[str], first: int, last: int) -> str | None:
    """Return lines `first` to `last` (from 1) without common indentation; None if there are none.

    Blank lines at both ends are left out.
    """
    text = "".join(line.rstrip() + "\n" for line in lines[first - 1 : last])
    return textwrap.dedent(text).strip("\n") or None


def _parses(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return True


def main(arguments: list[str]) -> int:
    """Write the pairs of a folder (default: this interpreter's standard library) to a file."""
    if len(arguments) not in (1, 2):
        sys.stderr.write("usage: python_source OUT.jsonl.gz [FOLDER]\n")
        return 2
    folder = Path(arguments[1] if len(arguments) == 2 else sysconfig.get_paths()["stdlib"])
    rows = extract(folder)
    digest = write_dataset(rows, Path(arguments[0]))
    held_out = sum(row["split"] == "validation" for row in rows)
    version = sys.version.split()[0]
    sys.stdout.write(f"{len(rows)} rows, {held_out} held out, sha256 {digest}, Python {version}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
