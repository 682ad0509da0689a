from __future__ import annotations

from typing import Any

import pytest

from moai_tui.commands import pause as module
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.record.directory import ExitRecord, create_run, write_exit
from trainer_core.run.record.events import RequestAnswered


def test_the_command_waits_until_the_devices_are_free(
    moai: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run(RunConfig(name="live"))
    answer = RequestAnswered(request_id="1", action="pause", ok=True, step=7)
    record = ExitRecord(state="paused", exit_code=0)
    monkeypatch.setattr(module, "living_run", lambda *_: run)
    monkeypatch.setattr(module, "asked", lambda *_: answer)
    monkeypatch.setattr(module, "wait_for_the_end", lambda _: write_exit(run, record))
    assert moai("pause", "live") == 0
    assert moai.out.splitlines() == [
        "The run pauses at step 7.",
        f"Run {run.id} is paused. Go on: moai-tui resume {run.id}",
    ]
