"""`make run` on machines that lack something: one sentence with the command that mends it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = ("sh", "sed", "cat", "cksum", "head", "rm", "dirname", "printf", "pwd")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A copy of the script beside a PATH with the basic tools only."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "environment", tmp_path / ".ci" / "environment")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        if found:
            (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def program(machine: Path, name: str, body: str) -> None:
    path = machine / "bin" / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def working_python(machine: Path) -> Path:
    """Put a python3 there whose environments write down what pip is told; return that file.

    No torch can be imported in them.
    """
    log = machine / "pip.log"
    fake = (
        f'#!/bin/sh\ncase "$*" in *"-m pip"*) echo "$*" >>{log};; *"import torch"*) exit 1;; esac\n'
    )
    body = (
        'case "$*" in *"-m venv"*) mkdir -p .venv/bin; '
        f"printf '%s' '{fake}' >.venv/bin/python; chmod +x .venv/bin/python;; "
        "*print*) echo 3.11;; esac"
    )
    for tool in ("mkdir", "chmod"):
        (machine / "bin" / tool).symlink_to(shutil.which(tool) or "")
    program(machine, "python3", body)
    return log


def prepare(machine: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(machine / ".ci" / "environment"), "run"],
        env={"PATH": str(machine / "bin"), "HOME": str(machine), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_an_older_python_is_told_what_to_install(machine: Path) -> None:
    program(machine, "python3", 'case "$2" in *print*) echo 3.9.2;; *) exit 1;; esac')
    program(machine, "apt-cache", '[ "$2" = python3.12-venv ]')
    done = prepare(machine)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "moai-tui needs Python 3.11 or newer (found: 3.9.2). "
        "Run: sudo apt-get install -y python3.12 python3.12-venv"
    )
    assert not (machine / ".venv").exists()


def test_a_missing_venv_module_is_told_what_to_install(machine: Path) -> None:
    body = 'case "$2" in *ensurepip*) exit 1;; *print*) echo 3.11;; *) exit 0;; esac'
    program(machine, "python3", body)
    done = prepare(machine)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "Python 3.11 here has no venv module. Run: sudo apt-get install -y python3.11-venv"
    )


def test_no_python_at_all_is_told_a_way(machine: Path) -> None:
    done = prepare(machine)
    assert done.returncode == 2
    assert "found: none" in done.stderr
    assert "uv python install" in done.stderr


def test_a_python_that_does_not_exist_is_named(machine: Path) -> None:
    done = prepare(machine, PYTHON="/no/such/python")
    assert done.returncode == 2
    assert done.stderr.strip() == "PYTHON=/no/such/python is not a working Python 3.11 or newer."


@pytest.mark.parametrize(
    ("files", "choice"),
    [((), "cpu"), (("nvidia-smi",), "cuda")],
)
def test_the_torch_build_follows_the_driver(
    machine: Path, files: tuple[str, ...], choice: str
) -> None:
    """Without a card no CUDA build is asked for; `pip` here only writes down what it was told."""
    if os.path.exists("/dev/nvidiactl") or os.path.exists("/dev/kfd"):
        pytest.skip("this machine has a driver")
    for name in files:
        program(machine, name, "exit 0")
    log = working_python(machine)
    done = prepare(machine)
    assert done.returncode == 0, done.stderr
    told = log.read_text()
    assert f"torch: {choice}" in done.stderr
    assert ("torch==2.13.0+cpu" in told) == (choice == "cpu")
    assert "-e .[train,lora]" in told
    again = prepare(machine)
    assert again.returncode == 0
    assert log.read_text() == told, "the second run installs nothing"
    (machine / ".venv" / "kept").touch()
    (machine / "pyproject.toml").write_text("[project]\n")
    assert prepare(machine).returncode == 0
    assert log.read_text() != told, "a newer project is installed again"
    assert (machine / ".venv" / "kept").exists(), "into the same environment"


def test_with_a_worker_of_its_own_only_the_core_is_installed(machine: Path) -> None:
    settings = machine / ".config" / "moai-tui"
    settings.mkdir(parents=True)
    (settings / "config.yaml").write_text(
        "theme: moai-dark\nworker:\n  python: /opt/t/bin/python\n"
    )
    log = working_python(machine)
    done = prepare(machine)
    assert done.returncode == 0, done.stderr
    assert "torch" not in log.read_text()
    assert "-e .\n" in log.read_text()
    assert (machine / ".venv" / "worker-environment").read_text() == (
        "MOAI_TUI_WORKER_PYTHON=/opt/t/bin/python\n"
    )
