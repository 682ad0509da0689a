"""What a rank says while it works: events of rank 0, a heartbeat of every rank."""

from __future__ import annotations

import platform
import time
from pathlib import Path

from trainer_core.engine.run_log import RunLog
from trainer_core.run.processes.heartbeat import Heartbeat
from trainer_core.run.record.directory import RunDirectory
from trainer_core.run.record.event_log import EventWriter
from trainer_core.run.record.events import Event, Phase, PhaseName

PROGRESS_SECONDS = 0.25
"""Shortest time between two events of one phase; more often nobody can read them."""


class Reporter:
    """Writes events where this rank leads, and beats wherever it is called.

    Attributes:
        step: Optimizer steps done, for heartbeats.
    """

    def __init__(self, run_folder: Path, *, rank: int, attempt: int) -> None:
        events = RunDirectory(run_folder).events_path
        self._writer = EventWriter(events, attempt) if rank == 0 else None
        self._log = RunLog() if rank == 0 else None
        self._heartbeat = Heartbeat(run_folder, rank)
        self._phase: PhaseName | None = None
        self._told = 0.0
        self.step = 0

    def event(self, event: Event) -> None:
        """Write one event, and its line in the log."""
        if self._log is not None:
            self._log.event(event)
        if self._writer is not None:
            self._writer.write(event)

    def phase(
        self,
        name: PhaseName,
        done: int | None = None,
        total: int | None = None,
        unit: str | None = None,
        *,
        detail: str | None = None,
    ) -> None:
        """Say what the rank does now, or how far it got with it."""
        self.beat(name)
        now = time.monotonic()
        new = name != self._phase
        complete = done is not None and done == total
        if not new and (done is None or (not complete and now - self._told < PROGRESS_SECONDS)):
            return
        self._phase, self._told = name, now
        self.event(Phase(name=name, done=done, total=total, unit=unit, detail=detail))

    def beat(self, phase: PhaseName | None = None) -> None:
        """Say that the rank got further."""
        self._heartbeat.beat(phase or self._phase or "loading", self.step)

    def sync(self) -> None:
        """Make sure that what was written is on the disk."""
        if self._writer is not None:
            self._writer.sync()

    def close(self) -> None:
        """Write everything out; nothing may be reported afterwards."""
        if self._writer is not None:
            self._writer.close()


def versions() -> dict[str, str]:
    """Return the versions that shape a run's numbers."""
    import torch
    import transformers

    import trainer_core

    found = {
        "moai-tui": getattr(trainer_core, "__version__", ""),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "transformers": transformers.__version__,
        "cuda": torch.version.cuda or torch.version.hip or "",
    }
    return {name: version for name, version in found.items() if version}
