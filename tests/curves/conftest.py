"""Runs whose loss curves are compared: in this process, and as real ranks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

ROOT = Path(__file__).resolve().parents[2]

SETTINGS: dict[str, Any] = {
    "model": "tiny",
    "dataset": "python-stdlib",
    "sequence_length": 128,
    "global_batch_size": 8,
    "micro_batch_size": 4,
    "learning_rate": 3e-3,
    "steps": 12,
    # Rising all along: a full rate at once makes losses jump, and jumps magnify rounding.
    "optimizer": {"warmup_steps": 12},
    "data": {"eval_fraction": 0.0},
    "checkpoint": {"every_steps": 0},
    "eval": {"every_steps": 0},
    "sample": {"count": 0},
}


def _fresh(changes: dict[str, Any]) -> dict[str, Any]:
    """`tiny` begins with random weights: its own hardly move in a dozen steps."""
    return {} if "model" in changes else {"from_scratch": True}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    """Caches and homes of this module's runs; rows are tokenised once."""
    root = tmp_path_factory.mktemp("curves")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOAI_TUI_HOME", str(root / "home"))
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        patch.setenv("OMP_NUM_THREADS", "1")
        for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MOAI_TUI_RENDEZVOUS"):
            patch.delenv(name, raising=False)
        yield root


@pytest.fixture(scope="module")
def make_folder(folders: Path) -> Callable[..., Path]:
    def make(name: str, **changes: Any) -> Path:
        from trainer_core.run.config.config_file import dump_config
        from trainer_core.run.config.run_config import RunConfig

        folder = folders / name
        folder.mkdir()
        config = msgspec.convert({**SETTINGS, **_fresh(changes), **changes}, RunConfig)
        (folder / "config.yaml").write_text(dump_config(config))
        return folder

    return make


@pytest.fixture(scope="module")
def losses() -> Callable[[Path], list[float]]:
    """Return a reader of a run's losses and gradient norms, step after step."""

    def read(folder: Path) -> list[tuple[float, float]]:
        events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        steps = [event for event in events if event["type"] == "step"]
        assert [step["step"] for step in steps] == list(range(1, len(steps) + 1))
        return [(step["train_loss"], step["grad_norm"]) for step in steps]

    return read


@pytest.fixture(scope="module")
def train_here(make_folder, losses) -> Callable[..., list[tuple[float, float]]]:
    def train(name: str, **changes: Any) -> list[tuple[float, float]]:
        from trainer_core.engine import rank

        folder = make_folder(name, **changes)
        assert rank.main(folder) == 0
        return losses(folder)

    return train


@pytest.fixture(scope="module")
def train_command(folders: Path, losses) -> Callable[..., list[tuple[float, float]]]:
    """Return a caller of the real command on a processor split into two devices."""

    def train(name: str, *flags: str) -> list[tuple[float, float]]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "MOAI_TUI_CPU_DEVICES": "2",
            "MOAI_TUI_LOCKS": str(folders / "locks"),
        }
        command = [
            sys.executable,
            "-m",
            "moai_tui",
            "train",
            "--name",
            name,
            *flags,
            "--foreground",
        ]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        shown = subprocess.run(
            [sys.executable, "-m", "moai_tui", "show", name, "--json"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return losses(Path(json.loads(shown.stdout)["path"]))

    return train
