from __future__ import annotations

import msgspec
import pytest

from moai_tui import core_calls
from moai_tui.core_calls import LogTail, data_key, sentence
from trainer_core.accelerators.host_checks import Check
from trainer_core.errors import ConfigError, UserError
from trainer_core.run.config.data_report import DataReport
from trainer_core.run.config.run_config import DataConfig, RunConfig
from trainer_core.run.processes.data_worker import Download
from trainer_core.run.record.directory import create_run

REPORT = DataReport(source="x", format="text", prompt_format="text", columns=("text",), rows=3)


class Worker:
    """Stands for a `DataWorker` that has answered."""

    def __init__(self, report=None, words="", downloads=()):
        self._report, self._words, self._downloads = report, words, downloads

    def report(self, on_download):
        for download in self._downloads:
            on_download(download)
        return self._report

    def last_words(self):
        return self._words


def test_a_users_mistake_is_said_as_it_is_anything_else_with_its_kind():
    assert sentence(ConfigError("steps", 0, "use 1 or more"), "x").startswith("steps: 0 cannot")
    assert sentence(KeyError("a\nb"), "The planner failed").startswith(
        "The planner failed: KeyError:"
    )
    assert "\n" not in sentence(ValueError("a\nb"), "x")


def test_a_verdict_comes_with_defaults_and_reasons(facts):
    ready = core_calls.plan_answer(RunConfig(), facts.cpu, None)
    assert ready.draft == RunConfig()
    assert ready.verdict is not None
    assert ready.verdict.choice is not None
    assert ready.resolved is not None
    assert ready.resolved.learning_rate is not None
    assert {"learning_rate", "sequence_length"} <= dict(ready.reasons).keys()


def test_a_log_out_that_would_kill_the_run_is_said_before_start(facts, monkeypatch):
    danger = Check(name="log-out", state="problem", text="it dies", fix="linger")
    monkeypatch.setattr("trainer_core.run.processes.session.logout_danger", lambda: danger)
    answer = core_calls.plan_answer(RunConfig(), facts.cpu, None)
    assert answer.verdict.notes[0] == "it dies; linger"


def test_the_reason_of_a_chosen_default_is_that_of_this_draft(facts):
    reasons = dict(core_calls.plan_answer(RunConfig(), facts.cpu, None).reasons)
    assert reasons["sequence_length"] == "four of five built-in rows fit"
    assert reasons["checkpoint.every_steps"].startswith("at the end"), "not chosen: in general"


def test_wrong_fields_come_back_by_name(facts):
    ready = core_calls.plan_answer(RunConfig(model="no-such-model", steps=0), facts.cpu, None)
    assert {"model", "steps"} <= {field for field, _ in ready.problems}


def test_a_planner_that_fails_is_a_sentence(facts, monkeypatch):
    def broken(*arguments):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("trainer_core.run.forecast.draft.verdict_for", broken)
    ready = core_calls.plan_answer(RunConfig(), facts.cpu, None)
    assert ready.problems == (("", "The planner failed: ZeroDivisionError: by zero"),)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"learning_rate": 1.0}, True),
        ({"seed": 7}, True),
        ({"name": "x"}, True),
        ({"model": "cerebras-gpt-111m"}, False),
        ({"sequence_length": 128}, False),
        ({"skip_bad_rows": True}, False),
        ({"data": DataConfig(train_on_prompt=True)}, False),
    ],
)
def test_a_report_is_kept_for_what_shapes_its_rows(change, same):
    changed = msgspec.structs.replace(RunConfig(), **change)
    assert (data_key(RunConfig()) == data_key(changed)) is same


def test_a_file_that_changed_is_read_again(tmp_path):
    file = tmp_path / "data.jsonl"
    file.write_text("{}\n")
    draft = RunConfig(dataset=str(file))
    before = data_key(draft)
    import os

    os.utime(file, (1, 1))
    assert data_key(draft) != before


def test_the_workers_report_or_its_last_words():
    draft, told = RunConfig(), []
    download = Download(done=1, total=2, seconds=0.5)
    good = Worker(REPORT, downloads=(download,))
    assert core_calls.data_answer(good, draft, told.append).report == REPORT
    assert [(message.draft, message.download) for message in told] == [(draft, download)]
    bad = Worker(words="a first line\ndata.jsonl:7: \x1b[1moutput is missing")
    answer = core_calls.data_answer(bad, draft, told.append)
    assert answer.report is None
    assert answer.problem == "data.jsonl:7: ␛[1moutput is missing"
    silent = core_calls.data_answer(Worker(), draft, told.append)
    assert silent.problem == "the reader ended without a word"


def test_a_start_answers_with_the_run_or_why_not(monkeypatch):
    directory = create_run(RunConfig(name="x"))
    download, told = Download(done=1, total=2, seconds=0.5), []

    def start(config, on_download):
        on_download(download)
        return directory

    monkeypatch.setattr("trainer_core.run.supervision.launch.launch", start)
    assert core_calls.launch_answer(RunConfig(), told.append).run_id == directory.id
    assert [message.download for message in told] == [download]

    def refuse(config, on_download):
        raise UserError("data.jsonl: there is no such file; check the path")

    monkeypatch.setattr("trainer_core.run.supervision.launch.launch", refuse)
    answer = core_calls.launch_answer(RunConfig(), told.append)
    assert answer.run_id is None
    assert answer.problem == "data.jsonl: there is no such file; check the path"


def test_stopping_a_run_that_does_not_run_is_said():
    directory = create_run(RunConfig(name="x"))
    answer = core_calls.stop_answer(directory.id)
    assert not answer.ok
    assert answer.text == "This run is not running; there is nothing to stop."
    unknown = core_calls.stop_answer("20990101-000000-000000")
    assert not unknown.ok
    assert "no such run" in unknown.text


def test_a_stop_says_what_the_run_answered(monkeypatch):
    from trainer_core.run.record.events import RequestAnswered

    directory = create_run(RunConfig(name="x"))
    monkeypatch.setattr(
        "trainer_core.run.processes.process.supervisor_alive", lambda directory: True
    )
    answers = [
        RequestAnswered(request_id="1", action="stop", ok=True, step=7),
        RequestAnswered(request_id="1", action="stop", ok=False, text="It is ending already."),
        None,
    ]
    monkeypatch.setattr(
        "trainer_core.run.record.control.wait_for_answer", lambda *arguments: answers.pop(0)
    )
    assert core_calls.stop_answer(directory.id).text == "The run stops after step 7 and saves."
    assert core_calls.stop_answer(directory.id).text == "It is ending already."
    assert "was asked to stop" in core_calls.stop_answer(directory.id).text
    assert len(list(directory.control_path.glob("*.json"))) == 3


def test_resuming_answers_too(monkeypatch):
    directory = create_run(RunConfig(name="x"))
    resumed = []
    monkeypatch.setattr("trainer_core.run.supervision.launch.resume", resumed.append)
    assert core_calls.resume_answer(directory.id).text == "The run goes on."
    assert [found.id for found in resumed] == [directory.id]


def test_the_log_is_read_again_only_when_it_grew(tmp_path):
    first, second = tmp_path / "rank-0.log", tmp_path / "supervisor.log"
    tail = LogTail(first, second)
    assert not tail.read()
    second.write_text("waiting\n")
    assert tail.read()
    assert tail.lines == ("waiting",)
    assert not tail.read()
    first.write_bytes(b"one\n\x1b]0;t\x07two\nhalf")
    assert tail.read()
    assert tail.lines == ("one", "␛]0;t␇two", "half")
    with first.open("ab") as file:
        file.write(b"\n" + b"x" * 100_000 + b"\nlast\n")
    assert tail.read()
    assert tail.lines[-1] == "last"
    assert all(len(line) <= 501 for line in tail.lines)
    first.write_text("".join(f"{number}\n" for number in range(1000)))
    tail.read()
    assert tail.lines[-1] == "999"
    assert len(tail.lines) == 200


def test_the_catalogue_names_what_is_here_first_and_nothing_twice(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    answer = core_calls.catalog_answer((), None)
    assert any("notes.jsonl" in entry.id for entry in answer.datasets[:1])
    for entries in (answer.models, answer.datasets):
        ids = [entry.id for entry in entries]
        assert len(set(ids)) == len(ids)
        here = [entry.here for entry in entries]
        assert here == sorted(here, reverse=True)
