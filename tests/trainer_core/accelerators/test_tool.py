"""A vendor's tool that answers, fails, hangs or is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer_core.accelerators.tool import output_of


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where a program named `vendor-tool` is looked for."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "vendor-tool"


def write(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_its_output_counts_whatever_its_exit_code(tool: Path) -> None:
    write(tool, 'echo "$1 $2"; echo noise >&2; exit 3')
    assert output_of("vendor-tool", "metric", "--json", timeout_seconds=30) == "metric --json\n"


def test_it_gets_no_input_and_its_bytes_need_be_no_text(tool: Path) -> None:
    write(tool, "cat; printf '\\377'")
    assert output_of("vendor-tool", timeout_seconds=30) == "\N{REPLACEMENT CHARACTER}"


def test_a_tool_that_is_not_there_or_hangs_or_cannot_start_says_nothing(tool: Path) -> None:
    assert output_of("vendor-tool", timeout_seconds=30) is None
    write(tool, "exec sleep 60")
    assert output_of("vendor-tool", timeout_seconds=0.1) is None
    tool.write_bytes(b"\x7fELF no program")
    assert output_of("vendor-tool", timeout_seconds=30) is None
