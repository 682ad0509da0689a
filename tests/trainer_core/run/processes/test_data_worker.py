"""The worker's lines become a report, a download that can be watched, or one sentence."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import msgspec
import pytest

from trainer_core.errors import ConfigError, UserError
from trainer_core.run.config.data_report import DataReport
from trainer_core.run.config.run_config import RunConfig, WorkerConfig
from trainer_core.run.processes import data_worker
from trainer_core.run.processes.data_worker import DataWorker, Download, require_data

REPORT = DataReport(source="x", format="text", prompt_format="text", columns=("text",), rows=3)
PRINT_REPORT = f"print({msgspec.json.encode(REPORT).decode()!r})"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Code that is run in the worker's place, under the key `code`."""
    found: dict[str, str] = {}

    def command(*words: str, python: str | None) -> list[str]:
        return [sys.executable, "-c", found["code"], *words, f"python={python}"]

    monkeypatch.setattr(data_worker, "core_command", command)
    return found


def test_the_worker_gets_the_whole_configuration(
    program: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    program["code"] = (
        "import sys, pathlib; "
        f"pathlib.Path({str(seen)!r}).write_text(' '.join(sys.argv[1:]) + sys.stdin.read())"
    )
    monkeypatch.setenv("MOAI_TUI_WORKER_PYTHON", "/venv/python")
    assert DataWorker(RunConfig(dataset="a b.jsonl", seed=42)).report() is None
    text = seen.read_text()
    assert text.startswith("data a b.jsonl --config - --json --progress python=/venv/python")
    assert "seed: 42" in text


def test_a_download_is_told_while_it_lasts_and_noise_is_passed_over(
    program: dict[str, str],
) -> None:
    program["code"] = (
        'print(\'{"type": "download", "done": 5, "total": 10}\'); print(\'a library speaks\');'
        'print(\'{"type": "download", "done": 10, "total": 10}\');' + PRINT_REPORT
    )
    told: list[Download] = []
    assert require_data(RunConfig(), told.append) == REPORT
    assert [(download.done, download.total) for download in told] == [(5, 10), (10, 10)]
    assert 0 <= told[0].seconds <= told[1].seconds


def test_what_is_wrong_with_the_data_is_said_line_by_line(program: dict[str, str]) -> None:
    rows = "".join(f"a.jsonl:{row}: is broken; mend it\\n" for row in range(30))
    program["code"] = f"import sys; sys.stderr.write('{rows}'); sys.exit(2)"
    with pytest.raises(UserError) as raised:
        require_data(RunConfig())
    lines = str(raised.value).splitlines()
    assert len(lines) == 24
    assert lines[-1] == "a.jsonl:29: is broken; mend it"
    program["code"] = "import sys; sys.stderr.write('Traceback\\nKeyError: 1'); sys.exit(1)"
    with pytest.raises(UserError, match=r"^KeyError: 1$"):
        require_data(RunConfig())


def test_a_worker_that_is_killed_or_silent_is_no_report(
    program: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program["code"] = "import time; time.sleep(60)"
    worker = DataWorker(RunConfig())
    os.kill(worker.process.pid, signal.SIGTERM)
    assert worker.report() is None
    assert worker.last_words() == ""
    monkeypatch.setattr(data_worker, "SILENT_SECONDS", 0.05)
    silent = DataWorker(RunConfig())
    with pytest.raises(UserError, match="nothing was read of it"):
        silent.report()
    assert silent.process.returncode == -signal.SIGKILL


def test_an_interpreter_that_is_not_there_is_a_wrong_field() -> None:
    with pytest.raises(ConfigError, match=r"worker\.python"):
        DataWorker(RunConfig(worker=WorkerConfig(python="/nowhere/python")))
