"""Event types of a run, and both ends of the file they stand in.

JSON lines, one object a `write`. `events.jsonl` is written by rank 0, `supervisor.jsonl` by the
supervisor. Unknown types are skipped and unknown fields ignored by readers, so a newer trainer
never breaks an older dashboard. Non-finite numbers stand as the strings "nan", "inf", "-inf".
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

PhaseName = Literal[
    "importing",
    "connecting",
    "downloading",
    "checking data",
    "tokenizing",
    "loading",
    "probing",
    "compiling",
    "training",
    "evaluating",
    "sampling",
    "saving",
]
"""What a run is doing; the ones before `training` are shown with their times."""


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Fields that every event carries; the writer fills them in."""

    v: int = 1
    seq: int = 0
    """Rises by one in each file; a jump is a gap the reader reports."""
    attempt: int = 1
    time: float = 0.0
    """Unix time in seconds, for people."""
    mono: float = 0.0
    """Monotonic seconds, for durations within one boot."""


class RunStarted(Event, frozen=True, kw_only=True, tag="run_started"):
    """Once per attempt, as soon as rank 0 knows the numbers."""

    model: str
    dataset: str
    method: str
    parameters: int
    trained_parameters: int
    train_rows: int
    """Documents trained on in one epoch."""
    eval_rows: int
    train_sequences: int
    """Packed rows in one epoch."""
    counted_tokens_per_epoch: int
    """Tokens in the loss in one epoch."""
    tokens_per_epoch: int
    """Tokens without padding in one epoch, prompt included."""
    total_steps: int
    steps_per_epoch: float
    world_size: int
    devices: tuple[str, ...] = ()
    plan: str = ""
    """One line: strategy, micro-batch, accumulation, recomputation, precision."""
    choices: tuple[str, ...] = ()
    """What the core chose by itself and why, one sentence each."""
    predicted_memory_bytes: int | None = None
    peak_flops: float | None = None
    """Dense bf16 peak of one device that MFU is taken against; None where unknown."""
    resumed_from_step: int | None = None
    eval_every_steps: int | None = None
    """0 is at start and end alone; None in logs of older versions."""
    checkpoint_every_steps: int | None = None
    versions: dict[str, str] = {}


class Phase(Event, frozen=True, kw_only=True, tag="phase"):
    """The run turned to something else, or got further with it."""

    name: PhaseName
    done: int | None = None
    total: int | None = None
    unit: str | None = None
    """What `done` counts: `bytes`, `rows`, `tokens`, `steps`."""
    finished: bool = False
    detail: str | None = None


class MemoryProbed(Event, frozen=True, kw_only=True, tag="memory_probed"):
    """Before step 1 the longest micro-batch went forward and backward once."""

    probed_memory_bytes: int | None = None
    """Largest peak over the devices, optimizer states included; None where it cannot be read."""
    predicted_memory_bytes: int | None = None
    seconds: float = 0.0


class Step(Event, frozen=True, kw_only=True, tag="step", gc=False):
    """One optimizer step."""

    step: int
    epoch: float
    train_loss: Any
    """Nats per counted token, over the global batch; float, or "nan"/"inf"."""
    learning_rate: float
    grad_norm: Any = None
    """Global norm before clipping."""
    tokens: int = 0
    """Counted-in-speed tokens of this step: all devices, no padding."""
    padded_tokens: int = 0
    counted_tokens: int = 0
    """Tokens in the loss of this step."""
    step_seconds: float = 0.0
    data_seconds: float = 0.0
    """Part of `step_seconds` spent waiting for data."""
    communication_seconds: float | None = None
    """Part of `step_seconds` spent waiting for other ranks; None where it is not measured."""
    tokens_per_second: float | None = None
    padded_tokens_per_second: float | None = None
    mfu: float | None = None
    peak_memory_bytes: int | None = None


class Eval(Event, frozen=True, kw_only=True, tag="eval"):
    """Loss over the held-out rows."""

    step: int
    eval_loss: Any
    eval_tokens: int
    bits_per_byte: float | None = None
    """Loss in bits over the UTF-8 bytes of the counted text: fair across tokenizers."""
    seconds: float = 0.0


class SamplePair(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt and what the model makes of it."""

    prompt: str
    text: str
    reference: str | None = None
    """The dataset's own answer, where there is one."""


class Sample(Event, frozen=True, kw_only=True, tag="sample"):
    """Text generated at a step: step 0 is before training."""

    step: int
    samples: tuple[SamplePair, ...]
    seconds: float = 0.0


class CheckpointSaved(Event, frozen=True, kw_only=True, tag="checkpoint_saved"):
    """A checkpoint stands complete on disk."""

    step: int
    path: str
    """Relative to the run folder."""
    bytes: int
    seconds: float
    """From the copy at the step to the checkpoint that stands."""
    waited_seconds: float = 0.0
    """What training waited of them; the rest was written beside it."""


class ModelSaved(Event, frozen=True, kw_only=True, tag="model_saved"):
    """`model/` is a complete Hugging Face folder."""

    step: int
    path: str
    bytes: int
    seconds: float


class Notice(Event, frozen=True, kw_only=True, tag="notice"):
    """Anything the user should read."""

    level: Literal["info", "warning", "error"]
    text: str
    fix: str | None = None


class Held(Event, frozen=True, kw_only=True, tag="held"):
    """Rank 0 holds still until something outside changes; without a reason it goes on."""

    reason: str | None = None
    needed_bytes: int | None = None
    """What the disk must have free for the run to go on."""
    free_bytes: int | None = None


class TrainingEnded(Event, frozen=True, kw_only=True, tag="training_ended"):
    """Rank 0's last word; the supervisor decides the state."""

    step: int
    reason: Literal["finished", "stopped", "paused", "failed", "time_limit"]
    error: str | None = None
    fix: str | None = None
    change: dict[str, str] = {}
    """Field and text, as a flag takes them, of the cheapest change under which it would fit."""
    exit_code: int = 0


class Queued(Event, frozen=True, kw_only=True, tag="queued"):
    """The run waits for devices; `waits_for` says whom."""

    waits_for: str


class StateChanged(Event, frozen=True, kw_only=True, tag="state_changed"):
    """The supervisor moved the run to another state."""

    state: str
    reason: str | None = None


class RankDied(Event, frozen=True, kw_only=True, tag="rank_died"):
    """A rank ended otherwise than asked."""

    rank: int
    cause: str
    exit_code: int | None = None


class Restarted(Event, frozen=True, kw_only=True, tag="restarted"):
    """A new attempt begins from a checkpoint."""

    from_step: int | None = None


class RequestAnswered(Event, frozen=True, kw_only=True, tag="request_answered"):
    """A request file from `control/` was carried out or refused."""

    request_id: str
    action: str
    ok: bool
    step: int | None = None
    text: str = ""
    settled: dict[str, Any] = {}
    """Numbers that hold from this step on, e.g. `learning_rate` or `total_steps`."""


class RunEnded(Event, frozen=True, kw_only=True, tag="run_ended"):
    """The supervisor's last event, beside `exit.json`."""

    state: str
    exit_code: int
    reason: str | None = None


AnyEvent = (
    RunStarted
    | Phase
    | MemoryProbed
    | Step
    | Eval
    | Sample
    | CheckpointSaved
    | ModelSaved
    | Notice
    | Held
    | TrainingEnded
    | Queued
    | StateChanged
    | RankDied
    | Restarted
    | RequestAnswered
    | RunEnded
)
