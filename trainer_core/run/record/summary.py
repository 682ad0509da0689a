"""One run in the numbers of `show --json` and of a row on the runs page."""

from __future__ import annotations

from typing import Any

import msgspec


class Stalled(msgspec.Struct, frozen=True, kw_only=True):
    """A living rank that does not get further."""

    rank: int
    phase: str
    seconds: float


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a run, with every number that is known; unknown is None."""

    id: str
    name: str | None
    path: str
    state: str
    """One of `queued starting running pausing paused stopping stopped finished failed lost`."""
    stalled: Stalled | None = None
    host: str | None = None
    """Where it runs or ran."""
    model: str = ""
    dataset: str = ""
    method: str = "full"
    size: str | None = None
    devices: tuple[str, ...] = ()
    created: float = 0.0
    """Unix time."""
    step: int | None = None
    total_steps: int | None = None
    epoch: float | None = None
    train_loss: Any = None
    eval_loss: Any = None
    first_eval_loss: Any = None
    bits_per_byte: float | None = None
    first_bits_per_byte: float | None = None
    tokens_per_second: float | None = None
    padded_tokens_per_second: float | None = None
    mfu: float | None = None
    peak_memory_bytes: int | None = None
    predicted_memory_bytes: int | None = None
    probed_memory_bytes: int | None = None
    """Peak of the longest micro-batch, measured before step 1."""
    time_to_first_step_seconds: float | None = None
    elapsed_seconds: float | None = None
    eta_seconds: float | None = None
    exit_code: int | None = None
    exit_reason: str | None = None
    plan: str | None = None
    phase: str | None = None
    waits_for: str | None = None
    model_path: str | None = None
    """Absolute path of `model/` once it is complete."""
    last_checkpoint_step: int | None = None
    attempt: int = 1
    tags: tuple[str, ...] = ()
    notes: str = ""
