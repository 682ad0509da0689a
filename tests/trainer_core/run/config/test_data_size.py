from __future__ import annotations

from pathlib import Path

import pytest

from trainer_core.run.config.data_size import BUILT_IN_BYTES, BYTES_PER_TOKEN, estimated_steps
from trainer_core.run.config.run_config import DataConfig, RunConfig

WHOLE = DataConfig(eval_fraction=0.0)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)


def _config(dataset: str, **fields: object) -> RunConfig:
    values: dict[str, object] = {"sequence_length": 100, "global_batch_size": 10, "data": WHOLE}
    return RunConfig(dataset=dataset, **(values | fields))  # type: ignore[arg-type]


def test_a_file_is_measured() -> None:
    Path("rows.jsonl").write_bytes(b"x" * round(BYTES_PER_TOKEN * 100 * 10 * 7))
    assert estimated_steps(_config("rows.jsonl")) == 7
    assert estimated_steps(_config("rows.jsonl", epochs=2.0)) == 14


def test_a_folder_is_the_sum_of_its_files() -> None:
    Path("rows").mkdir()
    for name in ("a.txt", "b.txt"):
        (Path("rows") / name).write_bytes(b"x" * round(BYTES_PER_TOKEN * 100 * 10 * 3))
    assert estimated_steps(_config("rows")) == 6
    assert estimated_steps(_config("python:rows")) == 6


def test_presets_know_their_size() -> None:
    tokens = BUILT_IN_BYTES / BYTES_PER_TOKEN
    steps = estimated_steps(_config("python-stdlib"))
    assert steps == pytest.approx(tokens / 1000, abs=1)
    assert (estimated_steps(_config("evol-instruct-python")) or 0) > 1000


def test_nothing_is_guessed_from_nothing() -> None:
    assert estimated_steps(_config("someone/data")) is None
    assert estimated_steps(_config("nothing")) is None
    assert estimated_steps(RunConfig()) is None
