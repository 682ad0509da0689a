from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trainer_core.errors import ConfigErrors, UserError
from trainer_core.run.config.run_config import CheckpointConfig, DataConfig, RunConfig, WorkerConfig
from trainer_core.run.processes.identity import RunLock, lock_holder, lock_is_held, own_identity
from trainer_core.run.processes.process import supervisor_alive
from trainer_core.run.record.directory import (
    ExitRecord,
    RunDirectory,
    read_exit,
    read_meta,
    run_directories,
    write_exit,
)
from trainer_core.run.supervision import launch as launch_module
from trainer_core.run.supervision.launch import launch, prepared, resume, with_absolute_paths

NewRun = Callable[..., RunDirectory]
WaitFor = Callable[..., None]


@pytest.fixture
def quick_ranks(run_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    stand_in = Path(__file__).parents[3] / "stand_in_rank.py"
    monkeypatch.setenv("MOAI_TUI_TEST_RANK", str(stand_in))
    monkeypatch.setenv("STAND_IN_STEPS", "3")
    yield run_home
    for run in run_directories():
        holder = lock_holder(run.lock_path)
        if holder is not None and lock_is_held(run.lock_path):
            os.kill(holder.pid, signal.SIGKILL)


def test_a_good_configuration_runs_and_its_file_is_full(
    quick_ranks: Path, wait_for: WaitFor
) -> None:
    run = launch(RunConfig(steps=3, name="first"))
    wait_for(lambda: not supervisor_alive(run))
    record = read_exit(run)
    assert record is not None
    assert record.state == "finished"
    config = run.config()
    for field in ("size", "sequence_length", "global_batch_size", "micro_batch_size"):
        assert getattr(config, field) is not None, field
    assert config.learning_rate is not None
    assert config.precision == "fp32"


def test_the_same_file_gives_the_same_configuration(quick_ranks: Path) -> None:
    ready = prepared(RunConfig(steps=3, size="small")).config
    assert re.fullmatch(r"Small\.\d+GB", ready.size or ""), "a size is shown with its memory"
    assert prepared(ready).config == ready


def test_what_was_chosen_before_the_start_is_kept_with_its_reason(quick_ranks: Path) -> None:
    run = launch(RunConfig(steps=3))
    choices = read_meta(run).choices
    named = [choice.partition(" ")[0] for choice in choices]
    assert named == [
        *("precision", "sequence_length", "global_batch_size", "learning_rate"),
        *("optimizer.warmup_steps", "eval.every_steps", "checkpoint.every_steps", "plan"),
    ]
    assert choices[0] == "precision fp32: CPUs are many times slower in bf16"
    assert "holds the whole run" in choices[-1]


def refused(config: RunConfig) -> str:
    with pytest.raises(UserError) as caught:
        launch(config)
    assert run_directories() == [], "a refusal leaves no run folder"
    return str(caught.value)


def test_wrong_fields_are_all_named_at_once(quick_ranks: Path) -> None:
    with pytest.raises(ConfigErrors) as caught:
        launch(RunConfig(steps=-1, checkpoint=CheckpointConfig(keep=-2)))
    assert {error.field for error in caught.value.errors} >= {"steps", "checkpoint.keep"}
    assert run_directories() == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"data": DataConfig(output_column="answer")}, "there is no column 'answer'"),
        ({"sequence_length": 8}, "no row is left to train on"),
        ({"data": DataConfig(format="chat")}, "do not fit the format chat"),
    ],
)
def test_the_built_in_data_is_looked_at_when_it_is_used_otherwise(
    quick_ranks: Path, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        launch(RunConfig(steps=3, **changes))
    assert list(run_directories()) == []


def test_an_interpreter_that_cannot_train_is_refused(quick_ranks: Path) -> None:
    text = refused(RunConfig(steps=1, worker=WorkerConfig(python="/nowhere/python")))
    assert text.startswith("worker.python: /nowhere/python cannot be run")


def test_a_cache_that_cannot_be_written_is_refused(
    quick_ranks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    text = refused(RunConfig(steps=1))
    assert text.startswith(f"tokenised rows cannot be kept in {tmp_path}/file/moai-tui/tokens: ")
    assert text.endswith("set XDG_CACHE_HOME to a folder you can write to")


def test_rows_longer_than_the_default_make_it_longer(quick_ranks: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    row = {"instruction": "Say much.", "output": "word " * 200}
    path.write_text("".join(json.dumps(row) + "\n" for _ in range(5)))
    assert prepared(RunConfig(dataset=str(path), steps=1)).config.sequence_length == 512


def test_every_broken_row_that_the_worker_names_is_told(quick_ranks: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"instruction": "a", "output": "b"}\n' * 30 + '{"instruction": "a"}\n' * 30)
    with pytest.raises(UserError) as raised:
        prepared(RunConfig(dataset=str(path), steps=1))
    lines = str(raised.value).splitlines()
    assert lines[0].startswith(f"{path}:31: output: is missing")
    assert lines[-2:] == [
        "… and 10 more",
        "mend these rows, or leave them out with --skip-bad-rows",
    ]


def test_an_unknown_model_is_refused(quick_ranks: Path) -> None:
    assert "tiny" in refused(RunConfig(model="tinny", steps=1))


def test_a_model_that_does_not_fit_is_refused_before_a_folder_exists(quick_ranks: Path) -> None:
    text = refused(RunConfig(model="cerebras-gpt-13b", from_scratch=True, steps=1, size="Small"))
    assert text.startswith("size: needs ")
    assert "GiB usable" in text


def test_a_device_that_is_not_there_is_refused(quick_ranks: Path) -> None:
    assert "7" in refused(RunConfig(steps=1, devices=("7",)))


def test_weights_that_are_neither_here_nor_reachable_name_the_way_out(
    quick_ranks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "--from-scratch" in refused(RunConfig(model="cerebras-gpt-111m", steps=1))
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    text = refused(RunConfig(model="cerebras-gpt-111m", steps=1))
    assert "cannot be reached" in text
    text = refused(RunConfig(model="nobody/knows-this", steps=1))
    assert "--from-scratch" not in text


def test_a_hub_id_the_hub_does_not_have_is_refused(
    quick_ranks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistyped name is found before a run folder exists."""
    monkeypatch.setattr(launch_module, "hub_is_off", lambda: False)
    monkeypatch.setattr(launch_module, "hub_answers", lambda: True)
    monkeypatch.setattr(launch_module, "hub_knows_model", lambda _name: False)
    assert refused(RunConfig(model="nobody/knows-this", steps=1)) == (
        "model: nobody/knows-this: the hub shows no model of this name; "
        "check its spelling; a private model needs HF_TOKEN"
    )


def test_a_dataset_is_read_before_a_folder_exists(
    quick_ranks: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The worker's sentence is the user's; its traceback would not be."""
    worker = tmp_path / "worker"
    worker.write_text('#!/bin/sh\necho "data.jsonl:3: output: is missing; add it" >&2\nexit 2\n')
    worker.chmod(0o755)
    monkeypatch.setenv("MOAI_TUI_WORKER_PYTHON", str(worker))
    (tmp_path / "data.jsonl").write_text("{}\n")
    text = refused(RunConfig(dataset=str(tmp_path / "data.jsonl"), steps=1))
    assert text == "data.jsonl:3: output: is missing; add it"
    worker.write_text(
        '#!/bin/sh\ncase "$*" in *ready*) echo ready; exit 0;; esac\n'
        'printf "Traceback\\n  at\\nValueError: odd\\n" >&2\nexit 1\n'
    )
    assert refused(RunConfig(dataset=str(tmp_path / "data.jsonl"), steps=1)) == "ValueError: odd"


def test_a_worker_that_is_not_there_is_named(
    quick_ranks: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MOAI_TUI_WORKER_PYTHON", str(tmp_path / "none"))
    (tmp_path / "data.jsonl").write_text("{}\n")
    text = refused(RunConfig(dataset=str(tmp_path / "data.jsonl"), steps=1))
    assert text.startswith("worker.python")


def test_a_start_that_fails_takes_its_folder_back(
    quick_ranks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: RunDirectory) -> None:
        raise UserError("no")

    monkeypatch.setattr(launch_module, "start_run", fail)
    assert refused(RunConfig(steps=1)) == "no"


def test_local_files_get_their_full_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "code").mkdir()
    (tmp_path / "rows.jsonl").write_text("")
    config = with_absolute_paths(
        RunConfig(model="owner/name", dataset="python:code", eval_dataset="rows.jsonl")
    )
    assert config.model == "owner/name"
    assert config.dataset == f"python:{tmp_path}/code"
    assert config.eval_dataset == f"{tmp_path}/rows.jsonl"


def test_what_cannot_be_resumed_says_why(new_run: NewRun) -> None:
    run = new_run()
    write_exit(run, ExitRecord(state="finished", exit_code=0))
    with pytest.raises(UserError, match="has finished"):
        resume(run)


def test_a_running_run_cannot_be_resumed(
    quick_ranks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_STEPS", "10000")
    run = launch(RunConfig(steps=3))
    with pytest.raises(UserError, match="is running"):
        resume(run)


def test_of_two_resumes_at_once_only_the_first_changes_the_configuration(
    new_run: NewRun, quick_ranks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(size="Small", steps=3)
    write_exit(run, ExitRecord(state="stopped", exit_code=0))
    before = run.config_path.read_text()
    first = RunLock(run.lock_path)
    monkeypatch.setattr("trainer_core.run.supervision.launch.liveness", lambda _: "dead")
    assert first.acquire(own_identity(0.0))
    with pytest.raises(UserError, match="is running"):
        resume(run, size="Medium")
    first.release()
    assert run.config_path.read_text() == before


def test_a_stopped_run_goes_on_with_another_size(
    new_run: NewRun, quick_ranks: Path, wait_for: WaitFor
) -> None:
    run = new_run(size="Small", steps=3)
    write_exit(run, ExitRecord(state="stopped", exit_code=0))
    resume(run, size="Medium")
    wait_for(lambda: not supervisor_alive(run))
    assert (run.config().size or "").startswith("Medium")
    assert json.loads(run.exit_path.read_text())["state"] == "finished"
    assert (run.logs_path / "rank-1.log").exists()
