"""Runs of other hosts that share the folder: judged by their heartbeat, never by a process here.

Only change counts: what is written a second time with other bytes was written by somebody who
lives. No two hosts' clocks are compared.
"""

from __future__ import annotations

import time
from pathlib import Path

from trainer_core.errors import UserError
from trainer_core.run.processes.identity import boot_id, lock_holder
from trainer_core.run.processes.process import liveness
from trainer_core.run.record.directory import RunDirectory

POLL_SECONDS = 0.25
RESTARTED_SECONDS = 3.0
"""A supervisor rewrites `state.json` every second. This is for a host of our own name: it was
restarted, or two hosts have one name."""
SILENT_SECONDS = 70.0
"""Network file systems show what others wrote up to a minute late."""


def require_silence(directory: RunDirectory) -> None:
    """See that nobody supervises a run where this host's process table cannot tell.

    Takes seconds for a run of this host before its restart, over a minute for one of another
    host, nothing for a run of this boot: its lock tells.

    Raises:
        UserError: It lives.
    """
    holder = lock_holder(directory.lock_path)
    if holder is None or holder.boot_id == boot_id():
        return
    seconds = SILENT_SECONDS if liveness(directory) == "elsewhere" else RESTARTED_SECONDS
    if moves(directory.path, seconds):
        raise UserError(
            f"run {directory.id} lives on {holder.host}: its heartbeat moves; stop it first "
            f"(moai-tui stop {directory.id})"
        )


def moves(run_folder: Path, seconds: float) -> bool:
    """Whether a run's state or a heartbeat changes within some seconds."""
    before = _written(run_folder)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(POLL_SECONDS)
        if _written(run_folder) != before:
            return True
    return False


def _written(run_folder: Path) -> list[bytes]:
    paths = [run_folder / "state.json", *sorted((run_folder / "heartbeat").glob("rank-*"))]
    found = []
    for path in paths:
        try:
            found.append(path.read_bytes())
        except OSError:
            found.append(b"")
    return found
