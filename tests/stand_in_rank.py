"""A rank in the place of the engine: beats, writes events, hears requests, dies as it is told.

Started by `python -m trainer_core rank` where `MOAI_TUI_TEST_RANK` names this file; no torch.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from trainer_core.run.processes.heartbeat import Heartbeat
from trainer_core.run.record.control import answer_request, read_requests
from trainer_core.run.record.event_log import EventWriter
from trainer_core.run.record.events import CheckpointSaved, Phase, RunStarted, Step, TrainingEnded

folder: Path = globals()["run_folder"]
rank = int(os.environ["RANK"])
attempt = int(os.environ["MOAI_TUI_ATTEMPT"])
total = int(os.environ.get("STAND_IN_STEPS", "5"))
delay = float(os.environ.get("STAND_IN_SECONDS", "0.02"))
at_step = int(os.environ.get("STAND_IN_AT_STEP", "-1"))
deed = os.environ.get("STAND_IN_DEED", "")
"""Python source that every rank of the first attempt runs before step `at_step`."""
stop_mark = folder / "stop-mark"

print(f"rank {rank} of {os.environ['WORLD_SIZE']} \x1b]0;title\x07", flush=True)
beat = Heartbeat(folder, rank)
writer = EventWriter(folder / "events.jsonl", attempt) if rank == 0 else None


def tell(event: object) -> None:
    if writer is not None:
        writer.write(event)  # type: ignore[arg-type]


def end(step: int, reason: str) -> None:
    tell(TrainingEnded(step=step, reason=reason))  # type: ignore[arg-type]
    if writer is not None:
        writer.close()
    sys.exit(0)


tell(Phase(name="loading"))
beat.beat("loading")
tell(
    RunStarted(
        model="tiny",
        dataset="stand-in",
        method="full",
        parameters=1,
        trained_parameters=1,
        train_rows=1,
        eval_rows=0,
        train_sequences=1,
        counted_tokens_per_epoch=1,
        tokens_per_epoch=1,
        total_steps=total,
        steps_per_epoch=1.0,
        world_size=int(os.environ["WORLD_SIZE"]),
    )
)
tell(Phase(name="training"))
for step in range(1, total + 1):
    if step == at_step and attempt == 1:
        exec(deed)
    time.sleep(delay)
    beat.beat("training", step)
    tell(
        Step(
            step=step,
            epoch=0.0,
            train_loss=4.0 / step,
            learning_rate=1e-3,
            tokens=10,
            step_seconds=delay,
        )
    )
    if rank == 0:
        for request in read_requests(folder):
            settled = {}
            if request.action == "set":
                settled = {"learning_rate": request.arguments["learning_rate"]}
            if request.action == "extend":
                settled = {"total_steps": total + request.arguments["steps"]}
            answer_request(folder, request, step=step, settled=settled)
            if request.action in ("stop", "pause"):
                stop_mark.write_text("")
                tell(CheckpointSaved(step=step, path="checkpoints/x", bytes=1, seconds=0.0))
                end(step, "stopped" if request.action == "stop" else "paused")
    elif stop_mark.exists():
        sys.exit(0)
end(total, "finished")
