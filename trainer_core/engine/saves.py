"""How a run saves itself: beside its training, and holding still where the disk is full."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from trainer_core.engine.companions import companions_of
from trainer_core.engine.distributed import largest_over_ranks, reshard
from trainer_core.engine.host_copy import HostCopies
from trainer_core.engine.reporting import Reporter
from trainer_core.engine.saver import CheckpointInfo, SaveProblem, Saver
from trainer_core.engine.setup import Parts
from trainer_core.engine.snapshot import host_room_bytes, take_snapshot
from trainer_core.engine.wishes import Ending, Wish
from trainer_core.plan.words import gib
from trainer_core.run.record.events import CheckpointSaved, Held
from trainer_core.run.storage.checkpoints import FOLDER

LOOK_SECONDS = 1.0
"""Between two looks at a full disk."""
QUOTA_SECONDS = 15.0
"""Between two tries where the disk has room and refuses all the same: a quota, which says nothing
of its room, or files that come and go."""


RESERVE = ".reserve"
RESERVE_BYTES = 1 << 20
"""Held on the run's disk and given back when it is full, so that this can be told at all."""


class Saves:
    """Checkpoints of one run; every rank has one and calls it alike."""

    def __init__(self, parts: Parts, run_folder: Path, *, reporter: Reporter, attempt: int) -> None:
        self._parts, self._run_folder, self._reporter = parts, run_folder, reporter
        self._attempt = attempt
        self._saver: Saver | None = None
        self._begun_step: int | None = None
        self._copies = HostCopies()
        self.seconds = 0.0
        """Of the longest save so far, from its first copy to its read-back."""

    @property
    def in_flight(self) -> bool:
        """Whether a checkpoint is being written."""
        return self._saver is not None and self._saver.in_flight

    def begin(self, step: int, facts: dict[str, Any]) -> None:
        """Copy everything a resume needs and have it written, once a step; none is in flight.

        Args:
            step: Optimizer steps done.
            facts: What is stored beside the tensors.
        """
        if self._begun_step == step:
            return
        self._reporter.phase("saving")
        began = time.monotonic()
        parts = self._parts
        if parts.mesh.holders is not None:
            reshard(parts.model)
        saver = self._saver = self._saver or self._new_saver()
        snapshot = take_snapshot(
            step,
            parts.model,
            parts.optimizer,
            world=parts.world,
            facts=facts,
            room_bytes=host_room_bytes(),
            copies=self._copies,
        )
        saver.start(snapshot, began)
        self._begun_step = step

    def look(self, patience_seconds: float = 0.0) -> SaveProblem | None:
        """See how the writing gets on; every rank calls it at the same borders.

        Args:
            patience_seconds: How long to wait for its end, at most.

        Returns:
            What went wrong with the checkpoint in flight, once that is known.
        """
        if self._saver is None:
            return None
        problem = self._saver.wait(patience_seconds, self._reporter.beat)
        if problem is not None and problem.step == self._begun_step:
            self._begun_step = None  # it may be tried again
        return problem

    def finish(self) -> SaveProblem | None:
        """Wait for the checkpoint in flight; returns what went wrong with it."""
        return self.look(math.inf)

    def close(self) -> None:
        """Leave nothing behind that only a running run needs."""
        if self._saver is not None:
            self._saver.close()
        self._give_reserve_back()

    def hold(self, problem: SaveProblem, ask: Callable[[], Wish]) -> Ending | None:
        """Hold the run until there is room again, or until somebody ends it; returns why.

        Args:
            problem: What does not fit.
            ask: Asks what is wanted meanwhile; all ranks get the same answer.
        """
        self._give_reserve_back()
        free = self._free_bytes()
        short = free < problem.needed_bytes
        self._reporter.event(
            Held(
                reason=_reason(problem, free, self._run_folder / FOLDER),
                needed_bytes=problem.needed_bytes,
                free_bytes=free,
            )
        )
        self._reporter.sync()
        waited = 0.0
        while True:
            time.sleep(LOOK_SECONDS)
            waited += LOOK_SECONDS
            self._reporter.beat("saving")
            ending = ask().end
            if ending is not None:
                return ending
            ready = self._free_bytes() >= problem.needed_bytes
            (again,) = largest_over_ranks((ready and (short or waited >= QUOTA_SECONDS),))
            if again:
                self._reporter.event(Held())
                self._hold_reserve()
                return None

    def _hold_reserve(self) -> None:
        if not self._parts.world.leads:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with suppress(OSError):  # no room, or no such call on this file system
            handle = os.open(self._run_folder / RESERVE, flags, 0o600)
            try:
                os.posix_fallocate(handle, 0, RESERVE_BYTES)
            finally:
                os.close(handle)

    def _give_reserve_back(self) -> None:
        if self._parts.world.leads:
            with suppress(OSError):
                (self._run_folder / RESERVE).unlink()

    def _new_saver(self) -> Saver:
        parts, folder = self._parts, self._run_folder / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        self._hold_reserve()
        return Saver(
            self._run_folder,
            world=parts.world,
            attempt=self._attempt,
            keep=parts.settled.config.checkpoint.keep,
            companions=companions_of(
                parts.model, parts.tokenizer, parts.data.prompt_format, scratch=folder
            ),
            on_saved=self._tell,
        )

    def _tell(self, info: CheckpointInfo) -> None:
        """Write the event of a checkpoint that stands; in rank 0's writer thread."""
        self.seconds = max(self.seconds, info.seconds)
        self._reporter.event(
            CheckpointSaved(
                step=info.step,
                path=str(info.path.relative_to(self._run_folder)),
                bytes=info.bytes,
                seconds=info.seconds,
                waited_seconds=info.waited_seconds,
            )
        )
        self._reporter.sync()

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self._run_folder).free if self._parts.world.leads else 0


def _reason(problem: SaveProblem, free_bytes: int, folder: Path) -> str:
    return (
        f"{folder} has no room for a checkpoint ({problem.text}): {gib(problem.needed_bytes)} are "
        f"needed, {gib(free_bytes)} are free; the run goes on by itself once there is room"
    )
