"""An interpreter that cannot train is refused in one sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import trainer_core.__main__ as core
from trainer_core.errors import UserError
from trainer_core.run.processes import worker_ready
from trainer_core.run.processes.worker_ready import require_ready


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def refused(python: str | None) -> str:
    with pytest.raises(UserError) as caught:
        require_ready(python)
    return str(caught.value)


def test_our_own_interpreter_is_ready(capsys: pytest.CaptureFixture[str]) -> None:
    require_ready(None)
    require_ready(sys.executable)
    assert core.main(["ready"]) == 0
    assert capsys.readouterr().out == "ready\n"


def test_what_is_no_python_is_refused(tmp_path: Path) -> None:
    assert refused("/nowhere/python") == (
        "worker.python: /nowhere/python cannot be run: no such file or directory; "
        "name a Python with torch"
    )
    assert "is no Python that can run the worker" in refused(script(tmp_path / "true", "exit 0"))
    assert "is no Python that can run the worker" in refused(script(tmp_path / "no", "exit 1"))
    assert "permission denied" in refused(str(tmp_path))


def test_what_another_interpreter_says_is_told(tmp_path: Path) -> None:
    said = "echo 'worker.python: it is Python 3.8' >&2; exit 2"
    assert refused(script(tmp_path / "old", said)) == "worker.python: it is Python 3.8"


def test_an_interpreter_that_never_answers_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_ready, "ANSWER_SECONDS", 0.1)
    assert "gave no answer" in refused(script(tmp_path / "slow", "exec sleep 30"))


def test_a_machine_without_torch_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(worker_ready, "find_spec", lambda _name: None)
    assert refused(None).startswith(
        f"torch is not installed for {sys.executable}; install moai-tui"
    )
    assert core.main(["ready"]) == 2
    assert "torch is not installed" in capsys.readouterr().err
