from __future__ import annotations

import pytest

from moai_tui.commands import output
from moai_tui.commands.run_lines import RunLines, answer_text, change_text, write_end
from tests.run_events import run_started
from trainer_core.run.record.events import (
    AnyEvent,
    CheckpointSaved,
    Eval,
    MemoryProbed,
    Notice,
    Phase,
    Queued,
    RankDied,
    RequestAnswered,
    Restarted,
    Step,
)
from trainer_core.run.record.summary import RunSummary

STARTED = run_started(
    dataset="data\x1b[31m", parameters=2_000_000, train_rows=100, plan="one device"
)


@pytest.fixture(autouse=True)
def utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    output.ascii_only.cache_clear()


def step(number: int, time: float = 1.0) -> Step:
    return Step(
        step=number,
        epoch=0.0,
        train_loss=5.0,
        learning_rate=0.1,
        tokens_per_second=1200.0,
        step_seconds=2.0,
        time=time,
    )


def said(*events: AnyEvent, since: float = 0.0) -> list[str]:
    lines = RunLines(since)
    capture: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("moai_tui.commands.run_lines.write_line", capture.append)
        for event in events:
            lines.event(event)
    return capture


def test_the_story_of_a_run() -> None:
    lines = said(
        Phase(name="loading"),
        STARTED,
        Eval(step=0, eval_loss=7.0, eval_tokens=9, bits_per_byte=3.5),
        Phase(name="training"),
        step(1),
        step(2),
        step(3),
        CheckpointSaved(step=3, path="p", bytes=2**20, seconds=0.1),
        step(10),
    )
    assert lines == [
        "Loading …",
        "tiny on data␛[31m: 2,000,000 parameters, 100 rows, 10 steps\nPlan: one device",
        "Step 0 | Eval loss 7.0000 | 3.500 bits per byte",
        "Step 1/10 | Loss 5.0000 | 1,200 tokens/s",
        lines[4],
        "Step 3 | Checkpoint saved (1.00 MiB)",
        "Step 10/10 | Loss 5.0000 | 1,200 tokens/s",
    ]
    assert lines[4].startswith("Step 3/10 | Loss 5.0000 | 1,200 tokens/s | ETA ")
    assert "14s" in lines[4]


def test_the_probed_peak_stands_beside_the_predicted() -> None:
    probed = MemoryProbed(probed_memory_bytes=300 << 20, predicted_memory_bytes=400 << 20, time=1.0)
    expected = "Memory: 300 MiB on the longest micro-batch (400 MiB predicted)"
    assert said(probed) == [expected]
    assert said(MemoryProbed(time=1.0)) == []


def test_troubles_are_told_in_words_and_shown_literally() -> None:
    lines = said(
        Queued(waits_for="1 device for run x of bob"),
        Notice(level="warning", text="hot\x1b]0;x\x07", fix="cool it"),
        RankDied(rank=1, cause="host memory ran out"),
        Restarted(from_step=40),
        Restarted(),
    )
    assert lines == [
        "Queued: 1 device for run x of bob",
        "Warning: hot␛]0;x␇ cool it",
        "Rank 1 died: host memory ran out",
        "The run goes on from step 40.",
        "The run goes on from the start.",
    ]


def test_the_past_is_folded_in_without_a_line() -> None:
    assert said(STARTED, step(1, time=10.0), step(10, time=30.0), since=20.0) == [
        "Step 10/10 | Loss 5.0000 | 1,200 tokens/s"
    ]


def test_steps_come_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    capture: list[str] = []
    monkeypatch.setattr("moai_tui.commands.run_lines.time.monotonic", lambda: now[0])
    monkeypatch.setattr("moai_tui.commands.run_lines.write_line", capture.append)
    lines = RunLines()
    lines.event(step(2))
    lines.tick()
    for number in (3, 4, 5):
        lines.event(step(number))
        lines.tick()
    assert len(capture) == 1
    now[0] += 3.0
    lines.tick()
    lines.tick()
    assert [line.split(" |")[0] for line in capture] == ["Step 2", "Step 5"]


def test_an_answer_names_its_step() -> None:
    yes = RequestAnswered(request_id="1", action="stop", ok=True, step=7)
    no = RequestAnswered(request_id="1", action="extend", ok=False, text="cannot")
    assert answer_text(yes) == "The run stops at step 7."
    assert answer_text(no) == "Not done (extend): cannot."


def test_the_end_tells_what_came_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    write_end(
        RunSummary(
            id="20260101-000000-abcdef",
            name="first",
            path="/runs/x",
            state="failed",
            exit_reason="KeyError: 'x'",
            step=3,
            total_steps=10,
            first_eval_loss=7.0,
            eval_loss=5.5,
            tokens_per_second=1000.0,
            elapsed_seconds=75.0,
            model_path="/runs/x/model",
        )
    )
    text = capsys.readouterr().out
    for words in (
        "first (20260101-000000-abcdef)",
        "failed: KeyError: 'x'",
        "3/10",
        "7.0000 → 5.5000",
        "1,000 tokens/s",
        "1m 15s",
        "/runs/x/model",
    ):
        assert words in text


def test_a_first_number_alone_is_no_change() -> None:
    assert change_text(7.69, 7.69, str) == "7.69"
    assert change_text(None, 7.69, str) == "7.69"
    assert change_text(7.69, 4.2, str) == "7.69 → 4.2"
    assert change_text(7.69, None, str) == ""
