"""`moai-tui data`: the worker's report on this terminal, with its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def moai(tmp_path: Path) -> dict[str, str]:
    """The environment of a command that finds no settings, no cache and no network."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "MOAI_TUI_HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "HF_HUB_OFFLINE": "1",
    }


def run(environment: dict[str, str], folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "moai_tui", "data", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_file_is_reported_from_where_the_user_stands(
    tmp_path: Path, moai: dict[str, str]
) -> None:
    (tmp_path / "-rows.jsonl").write_text('{"question": "Why?", "answer": "So."}\n')
    done = run(
        moai, tmp_path, "--json", "--set", "data.prompt_format=instruct", "--", "-rows.jsonl"
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {"format", "columns", "rows", "dropped", "errors"} <= set(report)
    assert report["rendered"][0]["prompt"] == "[INST] Why? [/INST]\n"


def test_broken_rows_are_exit_code_2_with_their_place(tmp_path: Path, moai: dict[str, str]) -> None:
    rows = '{"question": "Why?", "answer": "So."}\n{"question": "Who?"}\n'
    (tmp_path / "rows.jsonl").write_text(rows)
    done = run(moai, tmp_path, "rows.jsonl", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["errors"] == [
        {
            "file": "rows.jsonl",
            "row": 2,
            "line": 2,
            "column": "answer",
            "message": "is missing",
            "fix": "give it a text",
        }
    ]
    assert done.stderr.startswith("rows.jsonl:2: answer: is missing; give it a text\n")
    assert run(moai, tmp_path, "rows.jsonl", "--skip-bad-rows").returncode == 0
    lost = run(moai, tmp_path, "nowhere.jsonl")
    assert (lost.returncode, lost.stdout) == (2, "")
    assert lost.stderr == (
        "nowhere.jsonl: there is no such file, folder or preset; check the path\n"
    )
