"""Has torch imported once and forks a child for each save, so that hundreds can be cut short.

Reads one JSON object a line on standard input and answers with one a line:

- `{"do": "save", "run": FOLDER, "step": 2}`: a child stops itself, is named (`{"pid": …}`), and
  saves when it is continued; then `{"status": …}`, its exit code or the negative signal.
- `{"do": "load", "run": FOLDER}`: what a resume would find, `{"step": …, "sum": …}`.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import torch

from tests.trainer_core.engine.small import optimizer_of, save, small_model, train
from trainer_core.engine.checkpoint import latest_checkpoint, load_checkpoint
from trainer_core.engine.snapshot import random_states

SAVED, ABANDONED, RAISED = 0, 3, 4


def sum_of(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> str:
    """Return one digest of weights, optimizer states and random states."""
    digest = hashlib.sha256()
    for parameter in model.parameters():
        digest.update(parameter.detach().numpy().tobytes())
        for _, value in sorted(optimizer.state[parameter].items()):
            digest.update(torch.as_tensor(value).numpy().tobytes())
    for name, value in sorted(random_states().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()


def trained(steps: int) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """Return a model after some steps, the same each time."""
    model = small_model()
    optimizer = optimizer_of(model)
    train(model, optimizer, steps)
    return model, optimizer


def saved(order: dict[str, Any]) -> int:
    """Save in this process as a rank does; returns its exit code."""
    model, optimizer = trained(order["step"])
    os.kill(os.getpid(), signal.SIGSTOP)
    try:
        problem = save(Path(order["run"]), order["step"], model, optimizer)
    except OSError:
        traceback.print_exc()
        return RAISED
    return SAVED if problem is None else ABANDONED


def loaded(order: dict[str, Any]) -> dict[str, Any]:
    """Return what a resume finds, after it was put into a fresh model."""
    found = latest_checkpoint(Path(order["run"]))
    if found is None:
        return {"step": None}
    model, optimizer = trained(1)
    load_checkpoint(found, model=model, optimizer=optimizer)
    return {"step": found.step, "sum": sum_of(model, optimizer)}


def answer(told: dict[str, Any]) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Serve until the input ends."""
    torch.set_num_threads(1)
    sums = {step: sum_of(*trained(step)) for step in (1, 2, 3)}
    answer({"ready": True, "sums": sums})
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "load":
            answer(loaded(order))
            continue
        pid = os.fork()
        if pid == 0:
            os._exit(saved(order))
        os.waitpid(pid, os.WUNTRACED)
        answer({"pid": pid})
        _, status = os.waitpid(pid, 0)
        answer({"status": os.waitstatus_to_exitcode(status)})


if __name__ == "__main__":
    main()
