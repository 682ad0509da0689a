from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from trainer_core.run.record.directory import ExitRecord, RunDirectory, write_exit
from trainer_core.run.storage.cleaning import size_of

NewRun = Callable[..., RunDirectory]


def test_a_run_in_numbers(moai: Any, new_run: NewRun) -> None:
    run = new_run(name="first", dataset="rows\x1b[31m.jsonl")
    write_exit(run, ExitRecord(state="failed", exit_code=1, reason="KeyError: \x1b]0;x\x07"))
    assert moai("show", "fir") == 0
    pairs = dict(line.split("  ", 1) for line in moai.out.splitlines())
    assert pairs["Run"].strip() == f"first ({run.id})"
    assert pairs["State"].strip() == "failed: KeyError: ␛]0;x␇"
    assert pairs["Dataset"].strip() == "rows␛[31m.jsonl"
    assert "MFU" not in pairs
    assert moai("show", run.id, "--json") == 0
    told = json.loads(moai.out)
    assert told["exit_reason"] == "KeyError: \x1b]0;x\x07"
    assert told["disk_bytes"] == size_of(run.path) > 0
    assert "\x1b" not in moai.out


def test_an_unknown_run_is_exit_2(moai: Any) -> None:
    assert moai("show", "nothing") == 2
    assert moai.err == "nothing: there is no such run; `moai-tui runs` lists them\n"
