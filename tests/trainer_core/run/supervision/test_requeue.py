"""A job that is started again goes on with its run; another job, or another run of it, does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.record.directory import ExitRecord, RunDirectory, create_run, write_exit
from trainer_core.run.supervision import requeue
from trainer_core.run.supervision.requeue import is_restarted, job_key, launch_or_resume

CONFIG = RunConfig(steps=3)


@pytest.fixture
def resumed(run_home: object, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[RunDirectory]]:
    """Return what was resumed so far; starting a run only makes its folder."""
    found: list[RunDirectory] = []
    monkeypatch.setattr(requeue, "launch", lambda config, *_: create_run(config))
    monkeypatch.setattr(requeue, "resume", found.append)
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    monkeypatch.delenv("TORCHELASTIC_RESTART_COUNT", raising=False)
    return lambda: found


def test_a_requeued_job_resumes_its_run(
    resumed: Callable[[], list[RunDirectory]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = launch_or_resume(CONFIG)
    other = launch_or_resume(RunConfig(steps=4))
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert launch_or_resume(CONFIG) == first
    assert launch_or_resume(RunConfig(steps=4)) == other
    assert resumed() == [first, other]
    monkeypatch.setenv("SLURM_JOB_ID", "78")
    assert launch_or_resume(CONFIG) not in (first, other)
    assert len(resumed()) == 2


def test_what_had_finished_before_the_requeue_is_left_as_it_is(
    resumed: Callable[[], list[RunDirectory]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = launch_or_resume(CONFIG)
    write_exit(first, ExitRecord(state="finished", exit_code=0))
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    assert launch_or_resume(CONFIG) == first
    assert resumed() == []


def test_the_same_run_twice_in_one_start_of_a_job_is_two_runs(
    resumed: Callable[[], list[RunDirectory]],
) -> None:
    assert launch_or_resume(CONFIG) != launch_or_resume(CONFIG)
    assert resumed() == []


def test_only_a_counted_start_is_another_one() -> None:
    assert not is_restarted({})
    assert not is_restarted({"SLURM_RESTART_COUNT": "0", "TORCHELASTIC_RESTART_COUNT": "x"})
    assert is_restarted({"SLURM_RESTART_COUNT": "1"})
    assert is_restarted({"TORCHELASTIC_RESTART_COUNT": "2"})


def test_torchruns_workers_keep_their_job_and_no_launcher_is_none() -> None:
    torchrun = {"TORCHELASTIC_RUN_ID": "none"}
    assert job_key(CONFIG, {}) is None
    assert job_key(CONFIG, torchrun) == job_key(CONFIG, torchrun)
    assert job_key(CONFIG, torchrun) != job_key(CONFIG, {"SLURM_JOB_ID": "none"})
