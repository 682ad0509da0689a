"""A rank that lives and does not get further: found, told once, its stacks saved."""

from __future__ import annotations

import time
from collections.abc import Callable

from trainer_core.run.processes.heartbeat import ProgressWatch
from trainer_core.run.processes.stacks import ask_for_stacks, stacks_path, state_in_words
from trainer_core.run.record.directory import RunDirectory
from trainer_core.run.record.events import Event, Notice
from trainer_core.run.record.summary import Stalled
from trainer_core.run.supervision.ranks import Rank, RankGroup


class StallWatch:
    """Watches the ranks of one attempt."""

    def __init__(
        self, directory: RunDirectory, group: RankGroup, tell: Callable[[Event], None]
    ) -> None:
        self._directory = directory
        self._group = group
        self._tell = tell
        ranks = tuple(rank.number for rank in group.ranks)
        self._watch = ProgressWatch(directory.path, ranks)
        self.found: Stalled | None = None
        """The most silent rank over its limit; None while all get further."""

    def look(self) -> None:
        """Look once at every heartbeat."""
        found = self._watch.stalled(time.monotonic(), self._is_stopped)
        if found is None:
            if self.found is not None:
                text = f"Rank {self.found.rank} moves again."
                self._tell(Notice(level="info", text=text))
            self.found = None
            return
        number, phase, seconds = found
        first = self.found is None or self.found.rank != number
        self.found = Stalled(rank=number, phase=phase, seconds=round(seconds, 1))
        if first:
            self._report(number, phase, seconds)

    def _report(self, number: int, phase: str, seconds: float) -> None:
        why = f"rank {number} has not moved for {seconds:.0f} s ({phase})"
        for rank in self._running():
            path = stacks_path(self._directory.logs_path, rank.number)
            ask_for_stacks(path, rank.process.pid, why)
        state = next(
            (state_in_words(rank.process.pid) for rank in self._running() if rank.number == number),
            None,
        )
        detail = f"; {state}" if state else ""
        text = f"{why.capitalize()}{detail}. Stacks of all ranks: logs/rank-*.stacks."
        self._tell(Notice(level="warning", text=text))

    def _is_stopped(self, number: int) -> bool:
        pids = [rank.process.pid for rank in self._running() if rank.number == number]
        return any(state_in_words(pid) is not None for pid in pids)

    def _running(self) -> list[Rank]:
        return [rank for rank in self._group.ranks if rank.process.poll() is None]
