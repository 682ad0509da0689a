"""A run folder in the numbers of `show --json` and of a row on the runs page.

The event files are the truth and `state.json` a cache of them; whether a run lives is never
cached, it is asked of the kernel each time.
"""

from __future__ import annotations

import os
import socket
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from trainer_core.durable import write_whole
from trainer_core.errors import UserError
from trainer_core.regular_file import read_regular
from trainer_core.run.processes.identity import boot_id, lock_holder
from trainer_core.run.processes.process import liveness
from trainer_core.run.record.directory import (
    RunDirectory,
    read_exit,
    read_meta,
    run_directories,
)
from trainer_core.run.record.summary import RunSummary

if TYPE_CHECKING:  # a list of runs that have ended reads no event
    from trainer_core.run.config.run_config import RunConfig
    from trainer_core.run.record.view import RunView

START_GRACE_SECONDS = 30.0
"""A folder this young without a supervisor is starting, not lost."""

ENDED_STATES = ("paused", "stopped", "finished", "failed", "lost")
"""States without a supervisor."""


def read_view(directory: RunDirectory) -> RunView:
    """Fold every event of a run; of a long one the index knows most already."""
    from trainer_core.run.record.history import RunHistory

    history = RunHistory(directory.path)
    history.catch_up()
    history.save_index()
    return history.view


def summarize(directory: RunDirectory, view: RunView | None = None) -> RunSummary:
    """Return the run's state and numbers, from its events and the kernel's word on its life."""
    view = read_view(directory) if view is None else view
    base = base_summary(directory)
    # The clock of another host may stand elsewhere; its own events tell how long it has run.
    here = base.host in (None, socket.gethostname())
    ticking = here and liveness(directory) == "alive"
    summary = with_numbers(base, view, alive=ticking)
    cached = read_cached(directory)
    stalled = cached.stalled if cached and cached.attempt == summary.attempt else None
    return settled(directory, msgspec.structs.replace(summary, stalled=stalled))


def list_runs() -> tuple[RunSummary, ...]:
    """Return every run on this machine, newest first; `listing` does it again and again."""
    return tuple(map(listed, run_directories()))


def listed(directory: RunDirectory) -> RunSummary:
    """Return one run of a list; costs a few small files."""
    cached = read_cached(directory)
    summary = summarize(directory) if cached is None else settled(directory, cached)
    meta = read_meta(directory)  # people change it after the supervisor's last word
    return msgspec.structs.replace(summary, name=meta.name, tags=meta.tags, notes=meta.notes)


def read_cached(directory: RunDirectory) -> RunSummary | None:
    """Return the supervisor's last word on the run; None where there is none."""
    try:
        return msgspec.json.decode(read_regular(directory.state_path), type=RunSummary)
    except (OSError, msgspec.DecodeError):
        return None


def write_cached(directory: RunDirectory, summary: RunSummary) -> None:
    """Store the summary for quick lists; losing it costs nothing but time."""
    try:
        write_whole(directory.state_path, msgspec.json.encode(summary) + b"\n")
    except OSError:
        return  # a full disk: the events say the same


def settled(directory: RunDirectory, summary: RunSummary) -> RunSummary:
    """Return the summary with the state that is true now: exit record, life, or neither."""
    alive = liveness(directory)
    record = read_exit(directory)
    changes: dict[str, object] = {"path": str(directory.path), "id": directory.id}
    if alive == "dead" and record is not None:
        changes |= {
            "state": record.state,
            "exit_code": record.exit_code,
            "exit_reason": record.reason,
        }
    elif alive == "dead" and summary.state == "starting" and _is_young(directory, summary):
        changes["state"] = "starting"
    elif alive == "dead":
        changes |= {"state": "lost", "exit_code": 1, "exit_reason": _why_lost(directory)}
    elif summary.state == "paused" and summary.exit_code is None:
        return msgspec.structs.replace(summary, **changes)  # held: it goes on by itself
    elif summary.state in ENDED_STATES:
        # the supervisor writes its last events before the exit record and the end of its life
        changes["state"] = "stopping" if alive == "alive" and record is None else summary.state
    if changes.get("state", summary.state) in ENDED_STATES:
        changes |= {"stalled": None, "eta_seconds": None, "phase": None, "waits_for": None}
    return msgspec.structs.replace(summary, **changes)


def _is_young(directory: RunDirectory, summary: RunSummary) -> bool:
    never_started = lock_holder(directory.lock_path) is None
    return never_started and 0 <= time.time() - summary.created < START_GRACE_SECONDS


def _why_lost(directory: RunDirectory) -> str:
    holder = lock_holder(directory.lock_path)
    if holder is None:
        return "the run never started"
    if holder.boot_id != boot_id():
        return "the host was restarted"
    return "the supervisor was killed"


def _config(directory: RunDirectory) -> RunConfig:
    try:
        found = os.stat(directory.config_path)
        return _read_config(directory, found.st_ino, found.st_mtime_ns, found.st_size)
    except (OSError, UserError):
        from trainer_core.run.config.run_config import RunConfig

        return RunConfig(model="?", dataset="?")


@lru_cache(maxsize=64)
def _read_config(directory: RunDirectory, *_stamp: int) -> RunConfig:
    """Read the configuration once: who follows a run asks four times a second, and YAML is slow."""
    return directory.config()


def base_summary(directory: RunDirectory) -> RunSummary:
    """Return what a run's configuration and name say, before any event."""
    config, meta = _config(directory), read_meta(directory)
    holder = lock_holder(directory.lock_path)
    return RunSummary(
        id=directory.id,
        name=meta.name,
        path=str(directory.path),
        state="starting",
        host=holder.host if holder else meta.host or None,
        model=config.model,
        dataset=config.dataset,
        method=config.method,
        size=config.size,
        created=meta.created,
        tags=meta.tags,
        notes=meta.notes,
    )


def with_numbers(summary: RunSummary, view: RunView, *, alive: bool) -> RunSummary:
    """Return the summary filled with what the events say; time still runs if it is `alive`."""
    started, step = view.started, view.step
    last_eval, first_eval = (view.evals[-1], view.evals[0]) if view.evals else (None, None)
    changes: dict[str, object] = {
        "state": view.state,
        "devices": started.devices if started else (),
        "step": step.step if step else None,
        "epoch": step.epoch if step else None,
        "train_loss": step.train_loss if step else None,
        "total_steps": started.total_steps if started else None,
        "predicted_memory_bytes": started.predicted_memory_bytes if started else None,
        "probed_memory_bytes": view.probed_memory_bytes,
        "plan": started.plan if started else None,
        "eval_loss": last_eval.eval_loss if last_eval else None,
        "bits_per_byte": last_eval.bits_per_byte if last_eval else None,
        "first_eval_loss": first_eval.eval_loss if first_eval else None,
        "first_bits_per_byte": first_eval.bits_per_byte if first_eval else None,
        "tokens_per_second": view.mean_tokens_per_second,
        "padded_tokens_per_second": view.mean_padded_tokens_per_second,
        "mfu": step.mfu if step else None,
        "peak_memory_bytes": view.peak_memory_bytes,
        "time_to_first_step_seconds": _time_to_first_step(view),
        "elapsed_seconds": _elapsed(view, alive=alive),
        "eta_seconds": view.eta_seconds,
        "phase": view.phase.name if view.phase else None,
        "waits_for": _waits_for(view),
        "model_path": str(Path(summary.path) / "model") if view.model else None,
        "last_checkpoint_step": view.checkpoints[-1].step if view.checkpoints else None,
        "attempt": view.attempt,
    }
    if view.ended:
        changes |= {"exit_code": view.ended.exit_code, "exit_reason": view.ended.reason}
    return msgspec.structs.replace(summary, **changes)


def _waits_for(view: RunView) -> str | None:
    """Return what holds a run that would go on by itself."""
    if view.state == "paused" and view.ended is None:
        return view.state_reason
    return view.waits_for if view.state == "queued" else None


def _time_to_first_step(view: RunView) -> float | None:
    first, begin = view.first_step_time, view.attempt_start_time
    return max(0.0, first - begin) if first is not None and begin is not None else None


def _elapsed(view: RunView, *, alive: bool) -> float | None:
    if view.first_time is None or view.last_time is None:
        return None
    end = max(view.last_time, time.time()) if alive and not view.ended else view.last_time
    return max(0.0, end - view.first_time)
