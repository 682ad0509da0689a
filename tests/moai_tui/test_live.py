from __future__ import annotations

import sys
import threading
import time

import msgspec
import pytest

from moai_tui import core_calls, live
from moai_tui.live import Live, Newest
from moai_tui.messages import (
    AcceleratorsRead,
    ActionEnded,
    CatalogRead,
    CatalogWanted,
    DataReady,
    DataWanted,
    FollowWanted,
    LaunchEnded,
    LaunchRequested,
    PlanReady,
    PlanWanted,
    ResumeRequested,
    RunsListed,
    RunsWanted,
    RunUpdated,
    StopRequested,
    TroubleMet,
)
from tests.run_events import run_started
from trainer_core.errors import ConfigError
from trainer_core.run.config.data_report import DataReport
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.processes import data_worker
from trainer_core.run.record.directory import create_run
from trainer_core.run.record.event_log import EventWriter
from trainer_core.run.record.events import Step


class Post:
    """Keeps what live posts, and waits for it."""

    def __init__(self):
        self.messages = []
        self.changed = threading.Condition()

    def __call__(self, message):
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()

    def of(self, kind):
        return [message for message in list(self.messages) if isinstance(message, kind)]

    def wait(self, kind, when=lambda message: True, seconds=20.0):
        with self.changed:
            found = self.changed.wait_for(
                lambda: [message for message in self.of(kind) if when(message)], seconds
            )
        assert found, f"no such {kind.__name__} in {[type(m).__name__ for m in self.messages]}"
        return found[-1]


@pytest.fixture
def post():
    return Post()


@pytest.fixture
def running(post, facts, monkeypatch):
    """A `Live` that reads one scripted CPU."""

    def readings(self):
        yield facts.reading(facts.cpu)
        self._ended.wait()

    monkeypatch.setattr("moai_tui.device_reader.DeviceReader.readings", readings)
    found = Live()
    found.start(post)
    yield found
    found.stop()


@pytest.fixture
def workers(monkeypatch):
    """Put small programs in the place of the data worker: code by dataset, processes started."""
    codes, started = {}, []

    class Kept(data_worker.DataWorker):
        def __init__(self, config):
            super().__init__(config)
            started.append(self.process)

    def command(name, dataset, *rest, python):
        return [sys.executable, "-c", codes[dataset]]

    monkeypatch.setattr(data_worker, "core_command", command)
    monkeypatch.setattr(data_worker, "DataWorker", Kept)
    return codes, started


def run_with_steps(count):
    directory = create_run(RunConfig(name="alpaca", steps=count))
    writer = EventWriter(directory.events_path, 1)
    writer.write(run_started(total_steps=count))
    return directory, writer


def step(number):
    return Step(step=number, epoch=0.1, train_loss=3.0 - number / 10, learning_rate=1e-4)


def test_devices_are_read_and_handed_on(running, post, facts):
    assert post.wait(AcceleratorsRead).devices == facts.cpu


def test_runs_are_listed_only_while_somebody_looks(running, post, monkeypatch):
    monkeypatch.setattr(live, "RUNS_SECONDS", 0.02)
    directory, writer = run_with_steps(9)
    writer.close()
    assert post.of(RunsListed) == []
    running.wish(RunsWanted(True))
    listed = post.wait(RunsListed)
    assert [run.id for run in listed.runs] == [directory.id]
    running.wish(RunsWanted(False))
    time.sleep(0.1)
    create_run(RunConfig(name="another"))
    time.sleep(0.2)
    assert len(post.of(RunsListed)[-1].runs) == 1
    running.wish(RunsWanted(True))
    post.wait(RunsListed, lambda message: len(message.runs) == 2)


def test_a_followed_run_grows_and_what_was_handed_out_does_not(running, post):
    directory, writer = run_with_steps(9)
    writer.write(step(1))
    directory.rank_log_path(0).write_text("first line\n\x1b[31mred\n")
    running.wish(FollowWanted(directory.id))
    first = post.wait(RunUpdated, lambda message: message.view.step is not None)
    assert first.view.step.step == 1
    assert first.summary.name == "alpaca"
    assert first.log_lines == ("first line", "␛[31mred")
    writer.write(step(2))
    second = post.wait(RunUpdated, lambda message: message.view.step.step == 2)
    assert len(second.view.loss) == 2
    assert len(first.view.loss) == 1
    assert first.view.step.step == 1
    running.wish(FollowWanted(None))
    time.sleep(0.4)
    before = len(post.of(RunUpdated))
    writer.write(step(3))
    time.sleep(0.6)
    assert len(post.of(RunUpdated)) == before
    writer.close()


def test_following_another_run_starts_afresh(running, post):
    one, first_writer = run_with_steps(9)
    first_writer.write(step(1))
    two = create_run(RunConfig(name="two"))
    running.wish(FollowWanted(one.id))
    post.wait(RunUpdated, lambda message: message.run_id == one.id)
    running.wish(FollowWanted(two.id))
    found = post.wait(RunUpdated, lambda message: message.run_id == two.id)
    assert found.view.step is None
    first_writer.close()


def test_trouble_is_one_sentence_once_and_no_dead_thread(post, monkeypatch):
    mended = threading.Event()
    monkeypatch.setattr(live, "RETRY_SECONDS", 0.01)

    def directories():
        if not mended.is_set():
            raise RuntimeError("a [b]hole[/b]\x1b")
        return []

    monkeypatch.setattr("trainer_core.run.overview.listing.run_directories", directories)
    running = Live()
    monkeypatch.setattr(running, "_read_accelerators", running._ended.wait)
    running.start(post)
    running.wish(RunsWanted(True))
    trouble = post.wait(TroubleMet)
    assert trouble.text == "The runs cannot be read: RuntimeError: a [b]hole[/b]␛"
    time.sleep(0.2)
    assert len(post.of(TroubleMet)) == 1
    mended.set()
    assert post.wait(RunsListed).runs == ()
    running.stop()


def test_the_newest_draft_wins(running, post, monkeypatch):
    go, asked = threading.Event(), []

    def answer(draft, devices, report):
        asked.append(draft.seed)
        go.wait(10)
        return PlanReady(draft, None)

    monkeypatch.setattr(core_calls, "plan_answer", answer)
    for seed in range(5):
        running.wish(PlanWanted(RunConfig(seed=seed)))
        while not asked:
            time.sleep(0.01)
    go.set()
    assert post.wait(PlanReady, lambda message: message.draft.seed == 4)
    assert asked == [0, 4]


def test_a_report_is_asked_for_once_and_then_kept(running, post, monkeypatch, workers):
    report = DataReport(source="x", format="text", prompt_format="text", columns=("text",), rows=3)
    codes, started = workers
    codes["x"] = f"print({msgspec.json.encode(report).decode()!r})"
    planned = []

    def plan(draft, devices, known):
        planned.append(known)
        return PlanReady(draft, None)

    monkeypatch.setattr(core_calls, "plan_answer", plan)
    draft = RunConfig(dataset="x")
    running.wish(PlanWanted(draft))
    post.wait(PlanReady)
    running.wish(DataWanted(draft))
    assert post.wait(DataReady).report == report
    post.wait(PlanReady, lambda message: len(planned) == 2)
    assert planned == [None, report], "the verdict is made again with what the data told"
    faster = msgspec.structs.replace(draft, learning_rate=1.0)
    running.wish(DataWanted(faster))
    assert post.wait(DataReady, lambda message: message.draft == faster).report == report
    assert len(started) == 1, "the learning rate shapes no row"


def test_a_report_that_is_superseded_is_killed(running, post, workers):
    codes, started = workers
    codes["slow"], codes["quick"] = "import time; time.sleep(60)", "print('not json')"
    running.wish(DataWanted(RunConfig(dataset="slow")))
    while not started:
        time.sleep(0.01)
    running.wish(DataWanted(RunConfig(dataset="quick")))
    answer = post.wait(DataReady)
    assert answer.draft.dataset == "quick"
    assert answer.problem == "the reader ended without a word"
    assert started[0].wait(10) == -9
    assert len(post.of(DataReady)) == 1


def test_requests_are_carried_out_and_answered(running, post, monkeypatch):
    monkeypatch.setattr(core_calls, "stop_answer", lambda run: ActionEnded(run, "stops", True))
    monkeypatch.setattr(core_calls, "resume_answer", lambda run: ActionEnded(run, "goes on", True))
    monkeypatch.setattr(core_calls, "launch_answer", lambda config, post: LaunchEnded("new"))
    running.wish(StopRequested("a"))
    assert post.wait(ActionEnded).text == "stops"
    running.wish(ResumeRequested("a"))
    post.wait(ActionEnded, lambda message: message.text == "goes on")
    running.wish(LaunchRequested(RunConfig()))
    assert post.wait(LaunchEnded).run_id == "new"


def test_after_the_end_nothing_is_posted_and_no_child_lives(running, post, workers):
    codes, started = workers
    codes["python-stdlib"] = "import time; time.sleep(60)"
    running.wish(DataWanted(RunConfig()))
    while not started:
        time.sleep(0.01)
    time.sleep(0.1)
    running.stop()
    assert started[0].wait(10) == -9
    time.sleep(0.2)
    before = len(post.messages)
    time.sleep(0.3)
    assert len(post.messages) == before


def test_a_worker_survives_what_it_stumbles_over():
    seen, troubles, done = [], [], threading.Event()

    def work(item):
        if item == "bad":
            raise ConfigError("x", 1, "use 2")
        seen.append(item)
        done.set()

    worker = Newest("test", work, troubles.append)
    worker.ask("bad")
    while not troubles:
        time.sleep(0.01)
    worker.ask("good")
    assert done.wait(10)
    assert seen == ["good"]
    worker.stop()


def test_the_form_is_told_which_models_and_datasets_there_are(running, post):
    running.wish(CatalogWanted())
    answer = post.wait(CatalogRead)
    assert "tiny" in {entry.id for entry in answer.models}
    assert "python-stdlib" in {entry.id for entry in answer.datasets}
