from __future__ import annotations

from dataclasses import replace

import pytest

from trainer_core.plan.types import Hardware
from trainer_core.run.forecast.device_key import key_of


def test_what_makes_another_machine(laptop: Hardware, monkeypatch: pytest.MonkeyPatch) -> None:
    key = key_of(laptop)
    assert key == key_of(replace(laptop, memory_bytes=1))
    assert key != key_of(replace(laptop, devices=2))
    assert key != key_of(replace(laptop, driver="580.1"))
    monkeypatch.setattr("trainer_core.run.forecast.device_key.metadata.version", lambda _: "9.9")
    assert key_of(laptop).torch == "9.9"
