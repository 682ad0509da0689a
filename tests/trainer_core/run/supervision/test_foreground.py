from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer_core.errors import UserError
from trainer_core.run.record.directory import RunDirectory
from trainer_core.run.supervision.foreground import train_in_foreground


def test_the_core_alone_trains_and_prints_events(
    stand_in: Callable[..., RunDirectory],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "run.yaml").write_text("model: tiny\nsteps: 3\n")
    assert train_in_foreground(str(tmp_path / "run.yaml")) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0]["type"] == "state_changed"
    assert rows[-1]["type"] == "run_ended"
    assert sum(row["type"] == "step" for row in rows) == 5


def test_a_bad_file_is_one_sentence(run_home: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError):
        train_in_foreground(str(tmp_path / "none.yaml"))
