from __future__ import annotations

import pytest

from trainer_core.run.config import time_limit
from trainer_core.run.config.time_limit import (
    deadline,
    ends_at,
    limit_seconds,
    seconds_of_job,
    steps_that_fit,
)


@pytest.fixture(autouse=True)
def clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit.time, "monotonic", lambda: 1000.0)
    monkeypatch.setattr(time_limit.time, "time", lambda: 5_000_000.0)
    for name in ("SLURM_JOB_END_TIME", "SLURM_JOB_ID", time_limit.ENDS_VARIABLE):
        monkeypatch.delenv(name, raising=False)


def job(seconds: int) -> dict[str, str]:
    return {"SLURM_JOB_END_TIME": str(5_000_000 + seconds), "SLURM_JOB_ID": "77"}


def test_the_limit_counts_from_the_moment_the_devices_were_there() -> None:
    end = deadline("1h50m", 900.0, {})
    assert end is not None
    assert (end.at, end.words) == (900.0 + 6600, "the time limit of 1h50m")
    assert deadline(None, 900.0, {}) is None


def test_the_end_of_a_slurm_job_counts_by_itself_and_the_earlier_one_wins() -> None:
    alone = deadline(None, 900.0, job(600))
    assert alone is not None
    assert (alone.at, alone.words) == (1000.0 + 580, "the end of Slurm job 77")
    both = deadline("5m", 900.0, job(600))
    assert both is not None
    assert both.words == "the time limit of 5m"
    assert seconds_of_job(job(-5)) == 0.0


@pytest.mark.parametrize("text", ["", "soon", "-1", "1e9", "²"])
def test_another_end_is_none(text: str) -> None:
    assert seconds_of_job({"SLURM_JOB_END_TIME": text}) is None


def test_a_run_that_starts_now_has_so_long() -> None:
    assert limit_seconds("10m", {}) == 600.0
    assert limit_seconds("1h", job(120)) == 100.0
    assert limit_seconds(None, {}) is None


def test_a_rank_believes_its_supervisor() -> None:
    assert ends_at("10m", {time_limit.ENDS_VARIABLE: "1234.5"}) == 1234.5
    assert ends_at("10m", {}) == 1600.0
    assert ends_at(None, {time_limit.ENDS_VARIABLE: ""}) is None


def test_steps_fit_with_their_start_and_their_save() -> None:
    size = int(10 * time_limit.SAVE_BYTES_PER_SECOND)
    fitting = {"step_seconds": 2.0, "saved_bytes": size, "start_seconds": 20.0}
    assert steps_that_fit(130.0, **fitting) == 50
    assert steps_that_fit(29.0, **fitting) == 0
    assert steps_that_fit(100.0, step_seconds=0.0, saved_bytes=0) == 0
