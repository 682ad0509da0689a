"""Runs that never happened: deterministic events, for pilots, snapshots and widget tests."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from moai_tui.messages import AcceleratorsRead, RunUpdated
from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.run.record.event_log import encode_event
from trainer_core.run.record.events import (
    AnyEvent,
    CheckpointSaved,
    Eval,
    ModelSaved,
    Notice,
    Phase,
    Queued,
    RunEnded,
    RunStarted,
    Sample,
    SamplePair,
    StateChanged,
    Step,
    TrainingEnded,
)
from trainer_core.run.record.summary import RunSummary, Stalled
from trainer_core.run.record.view import RunView

RUN_ID = "20261124-120000-abc123"
START = 1_795_521_600.0
"""12:00:00 on 24 November 2026, UTC."""
GIB = 2**30
FIRST_STEP = 11.8
"""Seconds from start to step 1."""
STEP_SECONDS = 0.42

PROMPT = "### Instruction:\nReturn the number of items in the list `values`.\n\n### Response:\n"
REFERENCE = "def count(values):\n    return len(values)"
BEFORE = "the the self self ) ) ) : : return return of of of the def def"
AFTER = "def count(values):\n    for value in values:\n        return value"

SUPERVISOR = (Queued, StateChanged, RunEnded)
"""Events that stand in supervisor.jsonl."""

PHASES = (
    ("checking data", 0.6, None, None, "python-stdlib, instruction"),
    ("tokenizing", 1.9, 4210, "rows", None),
    ("loading", 2.8, None, None, "2.1M parameters"),
    ("probing", 1.4, None, None, "longest batch fits: 1.7 GiB"),
    ("evaluating", 2.2, 86, "rows", None),
    ("sampling", 1.3, 3, "samples", None),
)


@dataclass
class Story:
    """Events in the order they happened, with the clock at their end."""

    events: list[AnyEvent] = field(default_factory=list)
    now: float = START

    def say(self, event: AnyEvent, seconds: float = 0.0) -> None:
        """Let time pass, then an event happen."""
        self.now += seconds
        numbered = {"time": self.now, "mono": self.now - START, "seq": len(self.events) + 1}
        self.events.append(msgspec.structs.replace(event, **numbered))

    def view(self) -> RunView:
        """Fold the events."""
        view = RunView()
        for event in self.events:
            view.apply(event)
        return view

    def write(self, folder: Path) -> None:
        """Write the event files of a run folder, as rank 0 and the supervisor would."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, ours in (("events.jsonl", False), ("supervisor.jsonl", True)):
            rows = [event for event in self.events if isinstance(event, SUPERVISOR) == ours]
            numbered = (msgspec.structs.replace(e, seq=n) for n, e in enumerate(rows, start=1))
            (folder / name).write_bytes(b"".join(encode_event(e) + b"\n" for e in numbered))


def started(total_steps: int = 600) -> RunStarted:
    """Rank 0's numbers."""
    return RunStarted(
        model="tiny", dataset="python-stdlib", method="full", parameters=2_097_664,
        trained_parameters=2_097_664, train_rows=4124, eval_rows=86, train_sequences=1930,
        counted_tokens_per_epoch=402_113, tokens_per_epoch=612_482, total_steps=total_steps,
        steps_per_epoch=60.3, world_size=1, devices=("cpu-0",),
        predicted_memory_bytes=int(1.9 * GIB),
        plan="1 device, micro-batch 32, no accumulation, no recomputation, fp32",
        choices=("learning rate 1e-3: a model of 2 M parameters trained from scratch",
                 "warm-up 18 steps: 3 % of the run"),
    )  # fmt: skip


def loss_at(step: int, total: int = 600) -> float:
    """A plausible loss without noise."""
    return 1.62 + 3.9 * math.exp(-step / (0.05 * total)) + 1.9 * math.exp(-step / (0.45 * total))


def opening(*, phases: int = len(PHASES), total_steps: int = 600) -> Story:
    """A run until the end of its first so many phases."""
    story = Story()
    story.say(StateChanged(state="starting"))
    for name, seconds, amount, unit, detail in PHASES[:phases]:
        story.say(Phase(name=name, total=amount, unit=unit))
        if name == "loading":
            story.say(started(total_steps))
        story.say(Phase(name=name, done=amount, total=amount, unit=unit, detail=detail,
                        finished=True), seconds)  # fmt: skip
    return story


def sample(step: int, text: str) -> Sample:
    """Three prompts at one step."""
    pairs = tuple(
        SamplePair(prompt=PROMPT.replace("values", name), text=text.replace("values", name),
                   reference=REFERENCE.replace("values", name))
        for name in ("values", "rows", "entries")
    )  # fmt: skip
    return Sample(step=step, samples=pairs, seconds=1.3)


def evaluation(step: int, total: int) -> Eval:
    """The held-out loss at a step."""
    loss = loss_at(step, total) + 0.06 + 0.08 * step / total
    return Eval(step=step, eval_loss=loss, eval_tokens=8123, bits_per_byte=loss / 1.9)


def training(steps: int, total: int = 600, *, noise: float = 0.11) -> Story:
    """A run that has done so many steps."""
    story = opening(total_steps=total)
    chance = random.Random(7)
    story.say(evaluation(0, total))
    story.say(sample(0, BEFORE))
    story.say(StateChanged(state="running"), 0.1)
    story.say(Phase(name="training", total=total, unit="steps"))
    every = max(1, total // 10)
    for step in range(1, steps + 1):
        seconds = STEP_SECONDS * (1 + 0.04 * chance.random())
        rate = 1e-3 * min(1, step / 18) * (0.55 + 0.45 * math.cos(math.pi * step / total))
        tokens = 10_150 + chance.randrange(-300, 300)
        story.say(Step(
            step=step, epoch=step / 60.3, train_loss=loss_at(step, total) + chance.gauss(0, noise),
            learning_rate=rate, grad_norm=0.7 + 2.6 * math.exp(-step / 40) + 0.2 * chance.random(),
            tokens=tokens, padded_tokens=16_384, counted_tokens=6_660, step_seconds=seconds,
            data_seconds=0.006, tokens_per_second=tokens / seconds,
            padded_tokens_per_second=16_384 / seconds, peak_memory_bytes=int(1.74 * GIB),
        ), seconds)  # fmt: skip
        if step % every == 0:
            story.say(evaluation(step, total), 0.5)
            name = f"checkpoints/step-{step:08d}"
            story.say(CheckpointSaved(step=step, path=name, bytes=25 * 2**20, seconds=0.2))
    return story


def warned(steps: int = 250) -> Story:
    """A run in the middle, with a warning."""
    story = training(steps)
    story.say(Notice(level="warning", text="12 rows were longer than 512 tokens and were left out.",
                     fix="Set data.truncate to cut them instead."))  # fmt: skip
    return story


def finished(total: int = 600) -> Story:
    """A run from end to end."""
    story = training(total, total)
    story.say(sample(total, AFTER), 1.2)
    story.say(ModelSaved(step=total, path="model", bytes=8_600_000, seconds=0.3), 0.3)
    story.say(TrainingEnded(step=total, reason="finished"))
    story.say(RunEnded(state="finished", exit_code=0), 0.4)
    return story


def failed() -> Story:
    """A run that ran out of memory."""
    story = training(130)
    story.say(TrainingEnded(step=130, reason="failed", exit_code=1,
                            error="cpu-0 ran out of memory: 23.1 of 23.5 GiB were in use",
                            fix="Set micro_batch_size to 16: it needs about half."))  # fmt: skip
    story.say(RunEnded(state="failed", exit_code=1,
                       reason="cpu-0 ran out of memory: 23.1 of 23.5 GiB were in use"))  # fmt: skip
    return story


def queued() -> Story:
    """A run that waits."""
    story = Story()
    story.say(Queued(waits_for="device 0 (held by bob's run tuesday until about 17:40)"))
    return story


def downloading() -> Story:
    """A run that fetches its model."""
    story = Story()
    story.say(StateChanged(state="starting"))
    story.say(Phase(name="checking data"), 0.2)
    story.say(Phase(name="checking data", finished=True, detail="4,210 rows, instruction"), 0.8)
    story.say(Phase(name="downloading", done=0, total=269_000_000, unit="bytes"), 0.1)
    story.say(Phase(name="downloading", done=88_000_000, total=269_000_000, unit="bytes",
                    detail="SmolLM2-135M"), 4.0)  # fmt: skip
    story.now += 1.0
    return story


LOG = tuple(
    f"12:00:{second:02d} rank 0: {text}"
    for second, text in enumerate((
        "torch 2.13.0+cpu, 2 threads", "checking data: python-stdlib", "4,210 rows, instruction",
        "tokenizing: 4,210 rows", "tokenised rows are in the cache", "building tiny from scratch",
        "2,097,664 parameters, fp32", "probing the longest batch: 512 tokens × 32",
        "peak 1.7 GiB, predicted 1.9 GiB", "evaluating 86 rows", "eval loss 7.4832",
        "sampling 3 prompts", "training 600 steps",
        "warning: 12 rows were longer than 512 tokens and were left out",
    ))
)  # fmt: skip


def updated(story: Story, state: str = "running", **changes: object) -> RunUpdated:
    """Return what `live` would post of a story."""
    view = story.view()
    first, last = (view.evals[0], view.evals[-1]) if view.evals else (None, None)
    known = view.started is not None
    facts: dict[str, object] = {
        "id": RUN_ID, "name": "quiet-moai", "path": f"/home/ada/runs/{RUN_ID}", "state": state,
        "model": "tiny", "dataset": "python-stdlib", "size": "Small.24GB", "devices": ("cpu-0",),
        "created": START, "step": view.step.step if view.step else None,
        "total_steps": view.started.total_steps if view.started else None,
        "train_loss": view.step.train_loss if view.step else None,
        "eval_loss": last.eval_loss if last else None,
        "first_eval_loss": first.eval_loss if first else None,
        "bits_per_byte": last.bits_per_byte if last else None,
        "first_bits_per_byte": first.bits_per_byte if first else None,
        "tokens_per_second": view.mean_tokens_per_second,
        "padded_tokens_per_second": view.mean_padded_tokens_per_second,
        "peak_memory_bytes": view.peak_memory_bytes,
        "predicted_memory_bytes": int(1.9 * GIB) if known else None,
        "elapsed_seconds": story.now - START, "eta_seconds": view.eta_seconds,
        "exit_reason": view.state_reason, "waits_for": view.waits_for,
        "model_path": f"/home/ada/runs/{RUN_ID}/model" if view.model else None,
        "last_checkpoint_step": view.checkpoints[-1].step if view.checkpoints else None,
        "plan": view.started.plan if view.started else None,
    }  # fmt: skip
    summary = RunSummary(**(facts | changes))  # type: ignore[arg-type]
    return RunUpdated(RUN_ID, view, summary, LOG)


def stall() -> Stalled:
    """A rank that does not get further."""
    return Stalled(rank=0, phase="training", seconds=95.0)


def cpu(reading: int = 0) -> DeviceSnapshot:
    """The host's CPU, as read for the so-manieth time."""
    return DeviceSnapshot(
        uuid="cpu-0", index=0, kind="cpu", name="AMD EPYC 9354 (2 cores)",
        total_memory_bytes=int(23.5 * GIB), memory_used_bytes=int((2.1 + 0.01 * reading) * GIB),
        utilization_percent=[91.0, 97.0, 99.0, 98.0, 64.0, 96.0][reading % 6], held_by=RUN_ID,
    )  # fmt: skip


def card(index: int, reading: int = 0) -> DeviceSnapshot:
    """One of several cards."""
    return DeviceSnapshot(
        uuid=f"GPU-{index}", index=index, kind="nvidia", name="NVIDIA H100 80GB HBM3",
        total_memory_bytes=80 * GIB, memory_used_bytes=int((61.2 + 0.4 * index) * GIB),
        utilization_percent=[99.0, 98.0, 100.0, 97.0][(reading + index) % 4],
        temperature_celsius=61.0 + index, power_watts=640.0 + index, held_by=RUN_ID,
    )  # fmt: skip


def readings(count: int, cards: int = 0) -> list[AcceleratorsRead]:
    """So many readings of the CPU, or of that many cards."""
    return [
        AcceleratorsRead(tuple(card(index, reading) for index in range(cards)) or (cpu(reading),))
        for reading in range(count)
    ]
