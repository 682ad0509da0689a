"""The core in an interpreter it is not installed in: real virtual environments, nothing in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import trainer_core
from trainer_core.run.processes.process import core_command, core_environment


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of this Python without a single package."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False)
    return folder / "bin" / "python"


def ask(
    python: Path | str, *arguments: str, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {key: text for key, text in core_environment().items() if key != "PYTHONPATH"}
    return subprocess.run(
        core_command(*arguments, python=str(python)),
        capture_output=True,
        text=True,
        env=environment,
        cwd=cwd,
        check=False,
    )


def test_a_bare_environment_borrows_what_it_lacks(bare_python: Path) -> None:
    done = ask(bare_python, "accelerators", "--help")
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout


def test_its_own_packages_come_first(bare_python: Path) -> None:
    """A package of the same name in the worker's environment wins over ours."""
    site = next(bare_python.parent.parent.glob("lib/python*/site-packages"))
    (site / "psutil.py").write_text("raise SystemExit('its own psutil')")
    try:
        done = ask(bare_python, "--help")
    finally:
        (site / "psutil.py").unlink()
    assert done.stderr.strip() == "its own psutil"


def test_neither_the_current_folder_nor_ours_hides_a_module(
    bare_python: Path, tmp_path: Path
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    done = ask(bare_python, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    code = (
        "import sys, runpy; sys.argv = ['guest', '--help']\n"
        "try: runpy.run_path(sys.argv.pop() and {guest!r}, run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print([p for p in sys.path if p.rstrip('/').endswith('trainer_core')])"
    )
    guest = str(Path(trainer_core.__file__).with_name("guest.py"))
    done = subprocess.run(
        [sys.executable, "-c", code.format(guest=guest)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_another_version_is_told_what_to_install(bare_python: Path, tmp_path: Path) -> None:
    """Compiled packages of ours cannot be read there; here they are simply not to be found."""
    environment = {**core_environment(), "MOAI_TUI_CORE_PACKAGES": str(tmp_path), "PYTHONPATH": ""}
    guest = Path(trainer_core.__file__).parent
    shutil.copytree(guest, tmp_path / "trainer_core", ignore=shutil.ignore_patterns("builtin"))
    done = subprocess.run(
        [str(bare_python), str(tmp_path / "trainer_core" / "guest.py"), "--help"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 2
    assert "lacks msgspec, yaml, psutil; run: " in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_old_python_is_told_so() -> None:
    old = next(
        (found for name in ("3.8", "3.9", "3.10") if (found := shutil.which(f"python{name}"))), None
    )
    if old is None or subprocess.run([old, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip("no Python older than 3.11 on this machine")
    done = subprocess.run(
        [old, str(Path(trainer_core.__file__).with_name("guest.py")), "rank", "x"],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        check=False,
    )
    assert done.returncode == 2
    assert "our worker needs 3.11 or newer" in done.stderr
    assert "Traceback" not in done.stderr
