"""Whether a rank gets further: a small file that each rank rewrites as it goes.

Alive and progressing are two things. A frozen rank, or one that waits for a dead peer, lives
but does not beat. Only the thread that works may beat; a timer would lie.
"""

from __future__ import annotations

import os
import statistics
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from trainer_core.regular_file import read_regular

STEPS_KEPT = 32
RECORD_BYTES = 256
"""One fixed-size record is overwritten in place: a reader sees the old one or the new one."""

FROZEN_SECONDS = 10.0
"""A watcher that did not look for this long was frozen itself: the host slept, or it did."""

STOPPED_SECONDS = 2.0
"""A process may be stopped or wait for a disk for a moment at any time."""

PHASE_LIMITS_SECONDS = {
    "importing": 600.0,
    "connecting": 900.0,
    "downloading": 300.0,
    "checking data": 600.0,
    "tokenizing": 600.0,
    "loading": 900.0,
    "probing": 900.0,
    "compiling": 1800.0,
    "evaluating": 900.0,
    "sampling": 600.0,
    "saving": 1800.0,
}
"""Silence that is normal: these phases have stretches without any step to count."""
STEP_LIMIT_SECONDS = 10.0
"""A rank in training is late after three median steps and this much more."""
FIRST_STEP_LIMIT_SECONDS = 600.0
"""The first step may compile kernels; there is no median yet."""


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """What one rank last said of itself."""

    rank: int
    seq: int
    phase: str
    step: int | None = None
    median_step_seconds: float | None = None
    mono: float = 0.0

    @property
    def limit_seconds(self) -> float:
        """Silence after which the rank counts as stalled."""
        if self.phase != "training":
            return PHASE_LIMITS_SECONDS.get(self.phase, FIRST_STEP_LIMIT_SECONDS)
        if self.median_step_seconds is None:
            return FIRST_STEP_LIMIT_SECONDS
        return 3 * self.median_step_seconds + STEP_LIMIT_SECONDS


class Heartbeat:
    """The writing end; one for each rank, used by its main thread only."""

    def __init__(self, run_folder: Path, rank: int) -> None:
        folder = run_folder / "heartbeat"
        folder.mkdir(mode=0o700, exist_ok=True)
        self.rank = rank
        self._file = os.open(
            folder / f"rank-{rank}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        self._seq = 0
        self._step: int | None = None
        self._step_time = 0.0
        self._durations: deque[float] = deque(maxlen=STEPS_KEPT)

    def beat(self, phase: str, step: int | None = None) -> None:
        """Say that the rank got further; about 10 µs, at any rate the caller likes.

        Args:
            phase: What the rank does now, a name of `events.PhaseName`.
            step: Optimizer steps done so far, where there are any.
        """
        now = time.monotonic()
        self._seq += 1
        if step is not None and step != self._step:
            if self._step is not None and phase == "training":
                self._durations.append((now - self._step_time) / max(1, step - self._step))
            self._step, self._step_time = step, now
        median = statistics.median(self._durations) if self._durations else None
        beat = Beat(
            rank=self.rank,
            seq=self._seq,
            phase=phase,
            step=step,
            median_step_seconds=median,
            mono=now,
        )
        try:
            os.pwrite(self._file, msgspec.json.encode(beat).ljust(RECORD_BYTES - 1) + b"\n", 0)
        except OSError:
            return  # a full disk is no reason to stop training


def read_beat(run_folder: Path, rank: int) -> Beat | None:
    """Return a rank's last record; None before its first one."""
    try:
        data = read_regular(run_folder / "heartbeat" / f"rank-{rank}")
        return msgspec.json.decode(data, type=Beat)
    except (OSError, msgspec.DecodeError):
        return None


def forget_beats(run_folder: Path, ranks: tuple[int, ...]) -> None:
    """Remove what ranks of an earlier attempt last said: it is no word of the new ones."""
    for rank in ranks:
        (run_folder / "heartbeat" / f"rank-{rank}").unlink(missing_ok=True)


class ProgressWatch:
    """The reading end in the supervisor: how long each rank has not got further."""

    def __init__(self, run_folder: Path, ranks: tuple[int, ...]) -> None:
        self._folder = run_folder
        self._ranks = ranks
        self._seen: dict[int, tuple[int, float]] = {}
        self._looked: float | None = None

    def stalled(
        self, now: float, is_stopped: Callable[[int], bool] = lambda _rank: False
    ) -> tuple[int, str, float] | None:
        """Return (rank, phase, seconds of silence) of who holds a run up; None while none is late.

        Ranks that wait for a frozen one fall silent with it, often before it. So a stopped one is
        named first, then the one with the fewest steps, then the most silent one.

        Args:
            now: Monotonic seconds of the reader's clock; the rank's own is not compared.
            is_stopped: Whether the kernel says that a rank does not run.
        """
        silent = self._silences(now)
        if not any(seconds > beat.limit_seconds for beat, seconds in silent):
            return None

        def blame(found: tuple[Beat, float]) -> tuple[bool, bool, int, float]:
            beat, seconds = found
            stopped = seconds > STOPPED_SECONDS and is_stopped(beat.rank)
            late = seconds > beat.limit_seconds
            return stopped, late, -(beat.step or 0), seconds

        beat, seconds = max(silent, key=blame)
        return beat.rank, beat.phase, seconds

    def _silences(self, now: float) -> list[tuple[Beat, float]]:
        """Return every rank's last beat with the seconds since this watcher first saw it."""
        missed = 0.0 if self._looked is None else now - self._looked
        self._looked = now
        if missed > FROZEN_SECONDS:
            # Nobody can say what the ranks did meanwhile: that time counts for none of them.
            self._seen = {rank: (seq, since + missed) for rank, (seq, since) in self._seen.items()}
        silent = []
        for rank in self._ranks:
            beat = read_beat(self._folder, rank)
            if beat is None:
                continue
            seq, since = self._seen.get(rank, (-1, now))
            if seq != beat.seq:
                self._seen[rank] = (beat.seq, now)
                continue
            silent.append((beat, now - since))
        return silent
