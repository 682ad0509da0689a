"""A rank gets no secret but the hub's, and that only where the hub may be asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.processes.rank_environment import without_secrets

MINE = {
    "PATH": "/bin",
    "TOKENIZERS_PARALLELISM": "true",
    "HF_TOKEN": "hf_1",
    "WANDB_API_KEY": "2",
    "AWS_SECRET_ACCESS_KEY": "3",
    "aws_session_token": "4",
    "DB_PASSWORD": "5",
    "RANK": "7",
}


def test_what_a_run_has_no_use_for_it_does_not_get(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    plain = {"PATH", "TOKENIZERS_PARALLELISM"}
    assert set(without_secrets(MINE, RunConfig())) == plain
    local = RunConfig(model=str(tmp_path), dataset="python:code")
    assert set(without_secrets(MINE, local)) == plain
    from_hub = RunConfig(dataset="owner/rows")
    assert set(without_secrets(MINE, from_hub)) == {*plain, "HF_TOKEN"}
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert set(without_secrets(MINE, from_hub)) == plain
