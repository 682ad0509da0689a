from __future__ import annotations

from typing import Any

import pytest

from moai_tui.commands import save as module
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.record.directory import create_run
from trainer_core.run.record.events import RequestAnswered


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (False, 1)])
def test_the_step_of_the_save_is_said(
    ok: bool, code: int, moai: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_run(RunConfig(name="live"))
    answer = RequestAnswered(request_id="1", action="save", ok=ok, step=7, text="")
    monkeypatch.setattr(module, "living_run", lambda *_: None)
    monkeypatch.setattr(module, "asked", lambda *_: answer)
    assert moai("save", "live") == code
    said = "The run saves a checkpoint at step 7." if ok else "Not done (save) at step 7."
    assert moai.out == said + "\n"
