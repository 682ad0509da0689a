"""What `export` hands to the worker."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from moai_tui.commands import export


def test_the_target_is_absolute_and_the_choices_arrive(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[list[str]] = []

    def fake(arguments: list[str]) -> int:
        calls.append(arguments)
        return 0

    monkeypatch.setattr(export, "run_worker", fake)
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    export.register(app)
    app.command("other")(lambda: None)
    result = CliRunner().invoke(app, ["export", "run", "out", "--dtype", "bf16", "--merge"])
    assert result.exit_code == 0
    assert calls == [["export", "--dtype=bf16", "--merge", "--", "run", str(tmp_path / "out")]]
    assert CliRunner().invoke(app, ["export", "run", "out", "--dtype", "int3"]).exit_code == 2
