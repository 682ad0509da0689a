from __future__ import annotations

import json
from typing import Any

import pytest

from moai_tui.commands import extend as module
from trainer_core.run.record.events import RequestAnswered


def test_steps_are_added_and_the_new_length_is_said(
    moai: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def answer(_run: object, action: str, **arguments: Any) -> RequestAnswered:
        asked.append(arguments)
        settled = {"total_steps": 25}
        return RequestAnswered(request_id="1", action=action, ok=True, step=7, settled=settled)

    monkeypatch.setattr(module, "living_run", lambda *_: None)
    monkeypatch.setattr(module, "asked", answer)
    assert moai("extend", "live", "--steps", "5", "--json") == 0
    assert asked == [{"steps": 5}]
    assert json.loads(moai.out)["total_steps"] == 25
    assert moai("extend", "live", "--steps", "0") == 2
    assert "--steps" in moai.err
