from __future__ import annotations

from typing import Any

import pytest

from moai_tui.commands import set as module
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.record.directory import create_run
from trainer_core.run.record.events import RequestAnswered


def test_the_new_rate_is_sent_as_a_number(moai: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = create_run(RunConfig())
    asked: list[dict[str, Any]] = []

    def answer(_run: object, action: str, **arguments: Any) -> RequestAnswered:
        asked.append(arguments)
        return RequestAnswered(request_id="1", action=action, ok=True, step=7, settled=arguments)

    monkeypatch.setattr(module, "living_run", lambda *_: run)
    monkeypatch.setattr(module, "asked", answer)
    assert moai("set", "live", "learning_rate=3e-4") == 0
    assert asked == [{"learning_rate": 3e-4}]
    assert moai.out.endswith("at step 7: learning rate 0.0003.\n")


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("seed=3", "only its learning rate can be set"),
        ("learning_rate", "only its learning rate can be set"),
        ("learning_rate=fast", "learning_rate"),
        ("learning_rate=-1", "learning_rate"),
    ],
)
def test_what_cannot_be_set_is_refused_before_anybody_is_asked(
    setting: str, says: str, moai: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run(RunConfig())
    monkeypatch.setattr(module, "living_run", lambda *_: run)
    monkeypatch.setattr(module, "asked", lambda *_, **__: pytest.fail("it was asked"))
    assert moai("set", "live", setting) == 2
    assert says in moai.err
