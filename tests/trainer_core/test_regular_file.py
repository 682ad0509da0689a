"""What is no file is as good as missing, and nobody waits for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainer_core.regular_file import read_regular
from trainer_core.run.overview.summarize import summarize
from trainer_core.run.record.directory import RunDirectory
from trainer_core.run.record.event_log import EventReader


def test_only_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"text")
    assert read_regular(path) == b"text"
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "missing", "."):
        with pytest.raises(FileNotFoundError):
            read_regular(tmp_path / name)


@pytest.mark.timeout(30)
def test_pipes_in_the_place_of_a_runs_files_keep_nobody_waiting(tmp_path: Path) -> None:
    run = tmp_path / "20260101-000000-abcdef"
    run.mkdir()
    names = (
        "state.json",
        "exit.json",
        "meta.yaml",
        "config.yaml",
        "events.jsonl",
        "events.index",
        "lock",
    )
    for name in names:
        os.mkfifo(run / name)
    assert EventReader(run).read_new() == []
    assert summarize(RunDirectory(run)).step is None
