from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from moai_tui.commands import attach
from trainer_core.run.record.directory import RunDirectory

NewRun = Callable[..., RunDirectory]


def test_the_dashboard_opens_on_the_run(
    moai: Any, new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(name="first")
    opened: list[str | None] = []
    monkeypatch.setattr(attach.terminal, "is_usable", lambda: True)
    monkeypatch.setattr(attach, "open_dashboard", lambda name=None: opened.append(name) or 0)
    assert moai("attach", "first") == 0
    assert opened == [run.id]


def test_without_a_terminal_the_run_is_followed_and_not_owned(
    moai: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert moai("train", "--steps", "3", "--name", "done") == 0
    owned: list[bool] = []
    real = attach.follow_run

    def follow(*arguments: Any, owns: bool, **options: Any) -> int:
        owned.append(owns)
        return real(*arguments, owns=owns, **options)

    monkeypatch.setattr(attach, "follow_run", follow)
    assert moai("attach", "done") == 0
    assert owned == [False]
    assert "finished" in moai.out
