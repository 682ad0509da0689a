"""Events that tests of several parts write, with the facts that no test looks at filled in."""

from __future__ import annotations

from typing import Any

import msgspec

from trainer_core.run.record.events import RunStarted

STARTED = RunStarted(
    model="tiny",
    dataset="python-stdlib",
    method="full",
    parameters=1,
    trained_parameters=1,
    train_rows=1,
    eval_rows=1,
    train_sequences=1,
    counted_tokens_per_epoch=1,
    tokens_per_epoch=1,
    total_steps=10,
    steps_per_epoch=1.0,
    world_size=1,
)


def run_started(**facts: Any) -> RunStarted:
    """Return the start of a run of ten steps, with these facts in place of its own."""
    return msgspec.structs.replace(STARTED, **facts)
