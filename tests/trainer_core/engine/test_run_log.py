"""The log of a rank can be read by people, and costs nothing when nobody reads."""

from __future__ import annotations

import os
import re

import pytest

from tests.run_events import run_started
from trainer_core.engine import rank, run_log
from trainer_core.engine.run_log import RunLog, say
from trainer_core.run.record.events import Eval, Notice, Phase, RunStarted, Step, TrainingEnded


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(run_log.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(run_log.select, "select", lambda *lists: ([], [1], []))
    return now


def started(steps: int) -> RunStarted:
    return run_started(
        dataset="rows.jsonl",
        parameters=2_000_000,
        trained_parameters=2_000_000,
        train_rows=9,
        train_sequences=9,
        counted_tokens_per_epoch=90,
        tokens_per_epoch=99,
        total_steps=steps,
        plan="one device",
    )


def step(number: int) -> Step:
    return Step(
        step=number, epoch=0.1, train_loss=3.25, learning_rate=0.003, tokens_per_second=4321.0
    )


def test_phases_have_their_seconds_and_events_their_lines(clock, capsys):
    log = RunLog()
    log.event(Phase(name="loading"))
    clock[0] += 2.5
    log.event(Phase(name="evaluating", done=0, total=9))
    clock[0] += 1
    log.event(Phase(name="evaluating", done=9, total=9))
    log.event(started(2))
    log.event(Eval(step=0, eval_loss=7.5, eval_tokens=9, seconds=1.0))
    log.event(Phase(name="training"))
    log.event(step(1))
    log.event(Notice(level="warning", text="the disk fills"))
    log.event(TrainingEnded(step=2, reason="finished"))
    assert capsys.readouterr().out.splitlines() == [
        "loading: 2.5 s",
        "tiny on rows.jsonl: 2,000,000 parameters, 2 steps; one device",
        "step 0  eval loss 7.5000  1.0 s",
        "evaluating: 1.0 s",
        "step 1/2  loss 3.2500  lr 0.003  4,321 tokens/s",
        "warning: the disk fills",
        "ended at step 2: finished",
    ]


@pytest.mark.parametrize(("steps", "lines"), [(30, 30), (1000, 126)])
def test_a_long_runs_steps_come_once_a_second_and_at_its_ends(steps, lines, clock, capsys):
    log = RunLog()
    log.event(started(steps))
    capsys.readouterr()
    for number in range(1, steps + 1):
        log.event(step(number))
        clock[0] += 0.125
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step ")]
    assert abs(len(told) - lines) <= 1
    assert told[0].startswith(f"step 1/{steps} ")
    assert told[-1].startswith(f"step {steps}/{steps} ")


def test_a_full_pipe_costs_lines_and_not_time(monkeypatch):
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as taken, os.fdopen(writer, "w") as out:
        monkeypatch.setattr(run_log.sys, "stdout", out)
        for _ in range(2_000):
            say("x" * 100)
        assert len(taken.read1(1 << 20)) <= 64 << 10
        say("room again")
        assert taken.read1(1 << 20).endswith(b"room again\n")
    say("closed")


def test_a_run_tells_its_story(make_run, capfd):
    folder = make_run(sample={"count": 0}, eval={"every_steps": 2}, checkpoint={"every_steps": 2})
    assert rank.main(folder) == 0
    text = capfd.readouterr().out
    assert text.startswith("rank 0 starts")
    for line in (
        r"^loading: \d+\.\d s$",
        r"^probing: \d+\.\d s$",
        r"^memory: [\d,.]+ MiB on the longest micro-batch, [\d,.]+ MiB predicted$",
        r"^step 4/4  loss \d+\.\d{4}  lr \S+  [\d,]+ tokens/s$",
        r"^step 2  eval loss \d+\.\d{4}  \d+\.\d s$",
        r"^step 2  saved checkpoints/step-00000002  [\d.]+ MiB  \d+\.\d s$",
        r"^step 4  saved model  [\d.]+ MiB",
        r"^ended at step 4: finished$",
        r"^rank 0 ends with exit code 0$",
    ):
        assert re.search(line, text, re.MULTILINE), (line, text)
