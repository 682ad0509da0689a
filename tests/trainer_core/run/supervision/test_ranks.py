from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.processes.heartbeat import Heartbeat, read_beat
from trainer_core.run.processes.identity import RUN_VARIABLE, start_time
from trainer_core.run.record.directory import RunDirectory
from trainer_core.run.supervision import ranks
from trainer_core.run.supervision.ranks import RankGroup, kill_leftovers

NewRun = Callable[..., RunDirectory]
Start = Callable[..., RankGroup]


@pytest.fixture
def start(new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Return a starter of groups whose ranks run a line of Python."""
    wakeup, wakeup_end = os.pipe()
    groups: list[RankGroup] = []

    def begin(
        code: str,
        environments: tuple[dict[str, str], ...] = ({},),
        run: RunDirectory | None = None,
    ) -> RankGroup:
        monkeypatch.setattr(ranks, "core_command", lambda *_, **__: [sys.executable, "-c", code])
        group = RankGroup(directory=run or new_run(), attempt=4, config=RunConfig())
        group.start(environments, None, wakeup)
        groups.append(group)
        return group

    yield begin
    for group in groups:
        group.signal(signal.SIGKILL)
        for rank in group.ranks:
            rank.process.wait()
        group.close(wakeup)
    os.close(wakeup)
    os.close(wakeup_end)


def finish(group: RankGroup, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while group.alive:
        assert time.monotonic() < end
        group.pump(0.05)
        group.enforce()
    for _ in range(5):
        group.pump(0.01)


def test_each_rank_gets_its_place_and_no_others(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.1")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    names = "RANK LOCAL_RANK WORLD_SIZE LOCAL_WORLD_SIZE MOAI_TUI_ATTEMPT GLOO_SOCKET_IFNAME MINE"
    code = f"import os; print(*[os.environ.get(n) for n in '{names} MASTER_ADDR HF_TOKEN'.split()])"
    group = start(code, ({"MINE": "a"}, {"MINE": "b"}))
    finish(group)
    said = [rank.log.path.read_text().split() for rank in group.ranks]
    assert said == [
        ["0", "0", "2", "2", "4", "lo", "a", "None", "None"],
        ["1", "1", "2", "2", "4", "lo", "b", "None", "None"],
    ]
    assert group.dead() == []


def test_every_rank_knows_when_the_run_must_be_over(start: Start) -> None:
    group = start("import os; print(repr(os.environ['MOAI_TUI_ENDS_AT']))")
    finish(group)
    assert group.ranks[0].log.path.read_text() == "''\n"


def test_an_earlier_attempts_heartbeat_is_forgotten(start: Start, new_run: NewRun) -> None:
    """Else a rank that imports for longer than a step would count as stalled."""
    run = new_run()
    Heartbeat(run.path, 0).beat("training", 3)
    Heartbeat(run.path, 1).beat("training", 3)
    start("pass", run=run)
    assert read_beat(run.path, 0) is None
    assert read_beat(run.path, 1) is not None, "another command's rank"


def test_a_death_is_reported_once_with_its_cause(start: Start) -> None:
    group = start("raise ValueError('no such column')")
    finish(group)
    (rank,) = group.dead()
    assert group.cause(rank) == "ValueError: no such column (<string>, line 1, in <module>)"
    assert group.dead() == []


def test_the_ladder_asks_first_and_kills_later(start: Start) -> None:
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf'); time.sleep(600)"
    group = start(f"import sys; sys.stdout.reconfigure(line_buffering=True); {deaf}")
    while not (group.ranks[0].log.path.exists() and group.ranks[0].log.path.read_text()):
        group.pump(0.05)
    group.terminate(0.3)
    assert group.alive
    finish(group)
    assert group.ranks[0].process.poll() == -signal.SIGKILL
    assert group.ranks[0].ended_by_us
    assert not group.stuck


def test_a_frozen_rank_hears_the_first_rung(start: Start) -> None:
    group = start("import time; time.sleep(600)")
    os.kill(group.ranks[0].process.pid, signal.SIGSTOP)
    group.terminate(30.0)
    finish(group)
    assert group.ranks[0].process.poll() == -signal.SIGTERM


def test_what_will_not_go_is_given_up_on(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "KILL_SECONDS", 0.0)
    group = start("import time; time.sleep(600)")
    monkeypatch.setattr(group.ranks[0].process, "send_signal", lambda _: None)
    group.terminate(0.0)
    group.enforce()
    assert group.stuck
    monkeypatch.undo()


def test_leftovers_of_a_run_are_killed_and_strangers_are_not() -> None:
    sleep = [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(600)"]
    mark = {**os.environ, RUN_VARIABLE: "20260101-000000-123456"}
    with (
        subprocess.Popen(sleep, env=mark, stdout=subprocess.PIPE) as ours,
        subprocess.Popen(sleep, stdout=subprocess.PIPE) as stranger,
    ):
        assert ours.stdout is not None
        ours.stdout.readline()
        assert kill_leftovers("20260101-000000-123456") == []
        assert start_time(ours.pid) is None
        assert stranger.poll() is None
        stranger.kill()
