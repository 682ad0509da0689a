"""Who may load whom, seen in a fresh interpreter: what static contracts cannot see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "transformers", "datasets", "numpy", "pandas")

TORCH_FREE = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in ("run", "plan", "accelerators")
    for path in (ROOT / "trainer_core" / folder).glob("*.py")
    if path.stem != "__init__"
)


def loaded_after(statement: str, names: tuple[str, ...]) -> str:
    """Run one statement in a fresh interpreter; return which of `names` it loaded."""
    code = f"{statement}\nimport sys\nprint(*[n for n in {names!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def test_what_a_run_is_loads_neither_torch_nor_textual() -> None:
    statement = "\n".join(f"import {name}" for name in TORCH_FREE)
    assert len(TORCH_FREE) > 20
    assert loaded_after(statement, (*HEAVY, "textual", "rich")) == ""


@pytest.mark.parametrize("module", ["moai_tui.app", "moai_tui.live", "moai_tui.__main__"])
def test_the_dashboard_loads_no_torch(module: str) -> None:
    assert loaded_after(f"import {module}", HEAVY) == ""


def test_every_screen_and_widget_loads_no_torch() -> None:
    paths = [
        path.relative_to(ROOT).with_suffix("")
        for folder in ("screens", "widgets")
        for path in (ROOT / "moai_tui" / folder).rglob("*.py")
    ]
    names = [".".join(path.parts) for path in paths if path.stem != "__init__"]
    assert len(names) > 40
    statement = "\n".join(f"import {name}" for name in names)
    assert loaded_after(statement, HEAVY) == ""


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["smi"], ["smi", "--json"]])
def test_quick_answers_load_neither_textual_nor_torch(arguments: list[str]) -> None:
    """`smi`, `--help` and `--version` are typed often and on slow machines."""
    statement = (
        "import sys, io, contextlib\n"
        f"sys.argv = ['moai-tui', *{arguments!r}]\n"
        "import moai_tui.__main__\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    moai_tui.__main__.main()"
    )
    assert loaded_after(statement, (*HEAVY, "textual", "typer", "rich")) == ""


def test_commands_load_no_textual() -> None:
    names = [path.stem for path in (ROOT / "moai_tui" / "commands").glob("*.py")]
    statement = "\n".join(f"import moai_tui.commands.{name}" for name in names if name[0] != "_")
    assert len(names) > 10
    assert loaded_after(statement, (*HEAVY, "textual")) == ""
