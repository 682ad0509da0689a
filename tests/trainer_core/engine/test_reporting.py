"""Only rank 0 writes events; every rank beats; progress is not a flood."""

from __future__ import annotations

from trainer_core.engine import reporting
from trainer_core.engine.reporting import Reporter, versions
from trainer_core.run.processes.heartbeat import read_beat
from trainer_core.run.record.events import Notice


def test_rank_0_writes_and_every_rank_beats(tmp_path, read_events):
    leader, other = Reporter(tmp_path, rank=0, attempt=2), Reporter(tmp_path, rank=1, attempt=2)
    for reporter in (leader, other):
        reporter.step = 3
        reporter.phase("training")
        reporter.event(Notice(level="info", text="seen"))
        reporter.sync()
        reporter.close()
    events = read_events(tmp_path)
    assert [event["type"] for event in events] == ["phase", "notice"]
    assert {event["attempt"] for event in events} == {2}
    for rank in (0, 1):
        beat = read_beat(tmp_path, rank)
        assert (beat.phase, beat.step) == ("training", 3)


def test_progress_is_told_a_few_times_a_second_and_at_its_end(tmp_path, read_events, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(reporting.time, "monotonic", lambda: now[0])
    reporter = Reporter(tmp_path, rank=0, attempt=1)
    for done in range(101):
        reporter.phase("tokenizing", done, 100, "rows")
        now[0] += 0.01
    reporter.phase("training")
    reporter.phase("training")
    reporter.close()
    told = [(event["name"], event["done"]) for event in read_events(tmp_path, "phase")]
    assert told[0] == ("tokenizing", 0)
    assert told[-2:] == [("tokenizing", 100), ("training", None)]
    assert len(told) <= 7


def test_a_beat_goes_on_within_a_phase(tmp_path):
    reporter = Reporter(tmp_path, rank=0, attempt=1)
    reporter.phase("evaluating")
    first = read_beat(tmp_path, 0).seq
    reporter.beat()
    assert read_beat(tmp_path, 0).seq == first + 1
    assert read_beat(tmp_path, 0).phase == "evaluating"
    reporter.close()


def test_versions_are_plain_text():
    found = versions()
    assert {"torch", "transformers", "python"} <= found.keys()
    assert {type(version) for version in found.values()} == {str}
