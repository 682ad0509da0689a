from __future__ import annotations

from pathlib import Path

import pytest

from trainer_core.run.processes import heartbeat
from trainer_core.run.processes.heartbeat import Beat, Heartbeat, ProgressWatch, read_beat


def test_a_beat_is_read_back(tmp_path: Path) -> None:
    Heartbeat(tmp_path, 1).beat("training", 5)
    beat = read_beat(tmp_path, 1)
    assert beat is not None
    assert (beat.rank, beat.phase, beat.step, beat.seq) == (1, "training", 5, 1)
    assert read_beat(tmp_path, 0) is None


def test_a_shorter_record_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    writer = Heartbeat(tmp_path, 0)
    writer.beat("checking data", 123456789)
    writer.beat("saving", 1)
    beat = read_beat(tmp_path, 0)
    assert beat is not None
    assert (beat.phase, beat.step) == ("saving", 1)
    assert (tmp_path / "heartbeat" / "rank-0").stat().st_size == heartbeat.RECORD_BYTES


def test_the_median_step_comes_from_steps_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(heartbeat.time, "monotonic", lambda: now[0])
    writer = Heartbeat(tmp_path, 0)
    for step, moment in enumerate((0.0, 1.0, 2.0, 3.0, 103.0), start=1):
        now[0] = moment
        writer.beat("training", step)
        writer.beat("training", step)
    beat = read_beat(tmp_path, 0)
    assert beat is not None
    assert beat.median_step_seconds == 1.0


def beat(phase: str, median: float | None) -> Beat:
    return Beat(rank=0, seq=1, phase=phase, median_step_seconds=median)


def test_limits_follow_the_step_and_the_phase() -> None:
    assert beat("training", 2.0).limit_seconds == 16.0
    assert beat("training", None).limit_seconds > 100
    assert beat("compiling", 2.0).limit_seconds > 1000
    assert beat("something new", 2.0).limit_seconds > 100


def test_a_silent_rank_is_named_and_a_beating_one_is_not(tmp_path: Path) -> None:
    writers = [Heartbeat(tmp_path, rank) for rank in (0, 1)]
    watch = ProgressWatch(tmp_path, (0, 1))
    for step in (1, 2, 3):
        for writer in writers:
            writer.beat("training", step)
    assert watch.stalled(0.0) is None
    writers[0].beat("training", 4)
    assert watch.stalled(9.0) is None
    writers[0].beat("training", 5)
    found = watch.stalled(12.0)
    assert found is not None
    assert found[:2] == (1, "training")
    assert found[2] == pytest.approx(12.0)
    writers[1].beat("training", 4)
    assert watch.stalled(13.0) is None


def test_a_full_disk_does_not_stop_a_rank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    writer = Heartbeat(tmp_path, 0)
    monkeypatch.setattr(heartbeat.os, "pwrite", full)
    writer.beat("training", 1)
    assert read_beat(tmp_path, 0) is None


def test_the_frozen_rank_is_named_and_not_those_that_wait_for_it(tmp_path: Path) -> None:
    """The waiting rank fell silent first; it is over its limit and the frozen one not yet."""
    writers = [Heartbeat(tmp_path, rank) for rank in (0, 1)]
    watch = ProgressWatch(tmp_path, (0, 1))
    for step in (1, 2, 3):
        for writer in writers:
            writer.beat("training", step)
    assert watch.stalled(0.0) is None
    writers[1].beat("training", 3)
    assert watch.stalled(6.0) is None
    assert watch.stalled(12.0) == (0, "training", pytest.approx(12.0))
    named = watch.stalled(12.0, is_stopped=lambda rank: rank == 1)
    assert named == (1, "training", pytest.approx(6.0))
    behind = watch.stalled(20.0)
    assert behind == (0, "training", pytest.approx(20.0))


def test_the_rank_that_is_behind_is_named_where_none_is_stopped(tmp_path: Path) -> None:
    writers = [Heartbeat(tmp_path, rank) for rank in (0, 1)]
    watch = ProgressWatch(tmp_path, (0, 1))
    for writer, steps in zip(writers, (4, 3), strict=True):
        for step in range(1, steps + 1):
            writer.beat("training", step)
    assert watch.stalled(0.0) is None
    assert watch.stalled(9.0) is None
    found = watch.stalled(15.0)
    assert found is not None
    assert found[0] == 1


def test_a_watcher_that_was_frozen_itself_calls_nobody_stalled(tmp_path: Path) -> None:
    """The host slept for eight hours: that is no silence of the ranks."""
    writer = Heartbeat(tmp_path, 0)
    watch = ProgressWatch(tmp_path, (0,))
    for step in (1, 2, 3):
        writer.beat("training", step)
    assert watch.stalled(0.0) is None
    assert watch.stalled(5.0) is None
    assert watch.stalled(30_000.0) is None
    assert watch.stalled(30_006.0) is not None
