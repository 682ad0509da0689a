"""A silent rank is told once, with its state; the supervisor's tests freeze a real one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.processes import heartbeat
from trainer_core.run.processes.heartbeat import Heartbeat
from trainer_core.run.processes.rank_log import RankLog
from trainer_core.run.record.directory import RunDirectory
from trainer_core.run.record.events import Event, Notice
from trainer_core.run.supervision import stall
from trainer_core.run.supervision.ranks import Rank, RankGroup
from trainer_core.run.supervision.stall import StallWatch


def test_a_stall_is_told_once_and_its_end_too(
    new_run: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run()
    clock = [0.0]
    monkeypatch.setattr(stall.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(heartbeat, "FROZEN_SECONDS", 1000.0)
    group = RankGroup(directory=run, attempt=1, config=RunConfig())
    told: list[Event] = []
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        log = RankLog(run.rank_log_path(0))
        group.ranks.append(Rank(number=0, process=process, log=log))
        watch = StallWatch(run, group, told.append)
        beats = Heartbeat(run.path, 0)
        for step in (1, 2, 3):
            beats.beat("training", step)
        watch.look()
        for clock[0] in (50.0, 51.0):
            watch.look()
        assert watch.found is not None
        assert (watch.found.rank, watch.found.phase) == (0, "training")
        beats.beat("training", 4)
        watch.look()
        assert watch.found is None
        log.close()
        process.kill()
    texts = [event.text for event in told if isinstance(event, Notice)]
    assert len(texts) == 2
    assert texts[0].startswith("Rank 0 has not moved for 50 s (training)")
    assert texts[0].endswith("Stacks of all ranks: logs/rank-*.stacks.")
    assert texts[1] == "Rank 0 moves again."
    assert "rank 0 has not moved for 50 s" in (run.logs_path / "rank-0.stacks").read_text()
