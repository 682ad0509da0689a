"""What `generate` hands to the worker."""

from __future__ import annotations

import sys

import pytest
import typer
from typer.testing import CliRunner

from moai_tui.commands import export, generate


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Collect the worker's arguments instead of starting it; it 'exits' with 3."""
    calls: list[list[str]] = []

    def fake(arguments: list[str]) -> int:
        calls.append(arguments)
        return 3

    monkeypatch.setattr(generate, "run_worker", fake)
    monkeypatch.setattr(export, "run_worker", fake)
    return calls


def invoke(*arguments: str) -> int:
    app = typer.Typer()
    generate.register(app)
    export.register(app)
    return CliRunner().invoke(app, list(arguments)).exit_code


def test_every_flag_reaches_the_worker_and_its_exit_code_comes_back(
    told: list[list[str]],
) -> None:
    code = invoke("generate", "my-run", "--prompt", "-a", "--prompt=b", "--raw", "--json")
    assert code == 3
    assert told == [
        [
            "generate",
            "--new-tokens=256",
            "--prompt=-a",
            "--prompt=b",
            "--raw",
            "--json",
            "--",
            "my-run",
        ]
    ]


def test_a_run_named_like_a_flag_stays_a_name(told: list[list[str]]) -> None:
    assert invoke("generate", "--", "--base") == 3
    assert told[0][-2:] == ["--", "--base"]


def test_the_worker_interpreter_is_the_one_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """The answer comes from `worker.python`, whatever runs the command."""
    script = f"{tmp_path}/python"
    with open(script, "w") as file:
        file.write(f"#!/bin/sh\nexec {sys.executable} -c 'import sys; sys.exit(7)'\n")
    import os

    os.chmod(script, 0o755)
    monkeypatch.setenv("MOAI_TUI_WORKER_PYTHON", script)
    assert generate.run_worker(["generate", "x"]) == 7
