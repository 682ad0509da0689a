from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from moai_tui.commands import logs as logs_module
from trainer_core.run.processes.identity import RunLock, own_identity
from trainer_core.run.record.directory import RunDirectory

NewRun = Callable[..., RunDirectory]


def test_a_log_is_printed_safely(moai: Any, new_run: NewRun) -> None:
    run = new_run()
    run.rank_log_path(0).write_bytes(b"one\n\x1b]0;own\x07[red]\n")
    (run.logs_path / "supervisor.log").write_bytes(b"super\n")
    assert moai("logs", run.id) == 0
    assert moai.out == "one\n␛]0;own␇[red]\n"
    assert moai("logs", run.id, "--supervisor") == 0
    assert moai.out == "super\n"
    assert moai("logs", run.id, "--json") == 0
    assert json.loads(moai.out.splitlines()[0]) == {"log": "rank-0", "line": "one"}


def test_a_log_that_is_not_there_says_which_are(moai: Any, new_run: NewRun) -> None:
    run = new_run()
    run.rank_log_path(0).write_bytes(b"one\n")
    assert moai("logs", run.id, "--rank", "7") == 2
    assert "rank-7; there are: rank-0" in moai.err


def test_following_goes_on_into_a_log_begun_anew(
    moai: Any, new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run()
    run.rank_log_path(0).write_bytes(b"a long first line\nto")
    lock = RunLock(run.lock_path)
    lock.acquire(own_identity(0.0))
    deeds = iter(
        [
            lambda: run.rank_log_path(0).write_bytes(b"a long first line\ntorn\n"),
            lambda: run.rank_log_path(0).write_bytes(b"new\n"),
            lock.release,
        ]
    )
    monkeypatch.setattr(logs_module.time, "sleep", lambda _: next(deeds)())
    assert moai("logs", run.id, "-f") == 0
    assert moai.out == "a long first line\ntorn\nnew\n"


def test_the_last_words_of_a_dead_run_need_no_line_end(moai: Any, new_run: NewRun) -> None:
    run = new_run()
    run.rank_log_path(0).write_bytes(b"one\nFatal: \x1b[31mlast words")
    assert moai("logs", run.id) == 0
    assert moai.out == "one\nFatal: ␛[31mlast words\n"
    lock = RunLock(run.lock_path)
    lock.acquire(own_identity(0.0))
    assert moai("logs", run.id) == 0
    assert moai.out == "one\n", "a living run will finish its line"
    lock.release()
