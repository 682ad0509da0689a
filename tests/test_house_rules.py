"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path for package in ("moai_tui", "trainer_core") for path in (ROOT / package).rglob("*.py")
)
MODULES = [path for path in SOURCES if path.name != "__init__.py"]
TYPES_ONLY = {
    # Declarations without behaviour of their own: used by every test of what works with them.
    "trainer_core/run/config/run_config.py",
    "trainer_core/run/record/events.py",
    "trainer_core/run/record/summary.py",
    "trainer_core/run/config/data_report.py",
    "trainer_core/plan/types.py",
    "trainer_core/accelerators/base.py",
    "moai_tui/messages.py",
    "moai_tui/signals.py",
}
COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b|\brgb\(")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_every_module_has_its_mirror_test(path: Path) -> None:
    if relative(path) in TYPES_ONLY:
        return
    name = "main" if path.stem == "__main__" else path.stem
    mirror = ROOT / "tests" / path.relative_to(ROOT).parent / f"test_{name}.py"
    assert mirror.is_file(), f"{relative(mirror)} is missing"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_files_functions_and_classes_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400, f"{relative(path)} is longer than 400 lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            limit = 40 if node.name == "__init__" else 50
            assert length <= limit, f"{relative(path)}: {node.name} has {length} lines"
        if isinstance(node, ast.ClassDef) and "widgets" in path.parts:
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 250, f"{relative(path)}: {node.name} has {length} lines"


def test_no_colour_is_written_in_the_dashboard() -> None:
    """Colours come from themes, so that every theme can be read."""
    for path in [*(ROOT / "moai_tui").rglob("*.py"), *(ROOT / "moai_tui").rglob("*.tcss")]:
        found = COLOUR.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{relative(path)}: {found and found.group()}"


def test_only_live_starts_threads_in_the_dashboard() -> None:
    starts = re.compile(r"threading\.Thread\(|ThreadPoolExecutor\(|@work\(.*thread=True|run_worker")
    for path in (ROOT / "moai_tui").rglob("*.py"):
        if path.name == "live.py" or "commands" in path.parts or "live" in path.parts:
            continue
        assert not starts.search(path.read_text(encoding="utf-8")), relative(path)


def test_no_drawers() -> None:
    """A file or folder is named for its subject."""
    drawers = {"utils", "util", "common", "shared", "helpers", "core", "manager", "misc"}
    names = [(relative(path), {path.stem, path.parent.name}) for path in SOURCES]
    assert not [path for path, words in names if words & drawers]


def test_every_mirror_test_has_its_module() -> None:
    """A module that moved or went takes its test along."""
    stale = []
    for package in ("moai_tui", "trainer_core"):
        for test in (ROOT / "tests" / package).rglob("test_*.py"):
            folder = ROOT / test.parent.relative_to(ROOT / "tests")
            name = test.stem.removeprefix("test_")
            if not ({f"{name}.py", f"__{name}__.py"} & {path.name for path in folder.glob("*.py")}):
                stale.append(relative(test))
    assert not stale
