from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainer_core.errors import UserError
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.record.directory import create_run
from trainer_core.run.record.state_folder import require_private


def test_a_state_root_open_to_others_is_refused(run_home: Path) -> None:
    run_home.mkdir()
    os.chmod(run_home, 0o770)
    with pytest.raises(UserError, match="chmod 700"):
        create_run(RunConfig())
    assert not (run_home / "runs").exists()


def test_a_state_root_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(UserError, match="belongs to another user"):
        require_private(tmp_path)


def test_a_missing_root_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    require_private(tmp_path / "one" / "two")
    assert (tmp_path / "one" / "two").stat().st_mode & 0o077 == 0
