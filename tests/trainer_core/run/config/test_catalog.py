from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer_core.errors import ConfigError
from trainer_core.run.config import catalog, found_here

CEREBRAS = ("111m", "256m", "590m", "1.3b", "2.7b", "6.7b", "13b")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("MOAI_TUI_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("MOAI_TUI_MODELS", raising=False)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)


def _model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    config = {
        "model_type": "gpt2",
        "vocab_size": 64,
        "n_positions": 32,
        "n_embd": 16,
        "n_layer": 2,
        "n_head": 2,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"")
    return folder


def test_every_preset_is_whole() -> None:
    presets = catalog.model_presets()
    ids = [entry.id for entry in presets]
    assert ids[0] == "tiny"
    assert [f"cerebras-gpt-{size}" for size in CEREBRAS] == ids[1:8]
    assert len(ids) == len(set(ids))
    for entry in presets:
        assert entry.shape is not None
        assert entry.licence
        assert entry.title
        if entry.id == "tiny":
            assert (entry.origin, entry.here) == ("built-in", True)
        else:
            assert entry.hub_id
            assert entry.download_bytes
            ratio = entry.download_bytes / entry.shape.parameters
            assert 1.9 < ratio < 4.6


def test_a_fresh_machine_has_the_built_in_model_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found_here, "smollm2_file", lambda python=None: None)
    assert [entry.id for entry in catalog.models_here()] == ["tiny"]
    tiny = catalog.require_model("tiny")
    assert tiny.here
    assert tiny.offline_from_scratch
    assert catalog.require_model("Cerebras-GPT-111M").offline_from_scratch
    assert not catalog.require_model("llama-3.2-1b").offline_from_scratch


def test_what_lies_here_comes_with_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / found_here.SMOLLM2_FILE
    monkeypatch.setattr(found_here, "smollm2_file", lambda python=None: package)
    cached = _model(tmp_path / "hub" / "models--cerebras--Cerebras-GPT-111M" / "snapshots" / "a")
    other = _model(tmp_path / "hub" / "models--own--other" / "snapshots" / "a")
    run = _model(tmp_path / "runs" / "20261101-000000-aaaaaa" / "model")
    shelf = _model(tmp_path / "shelf" / "mine")
    found = {entry.id: entry for entry in catalog.models_here([tmp_path / "shelf"])}
    assert found["cerebras-gpt-111m"].local_path == cached
    assert found["smollm2-135m"].local_path == package
    assert found["own/other"].local_path == other
    assert found[str(run)].origin == "run"
    assert found[str(shelf)].origin == "folder"
    assert all(entry.here for entry in found.values())


def test_a_name_is_a_preset_a_hub_id_or_a_folder(tmp_path: Path) -> None:
    by_id = catalog.find_model("cerebras-gpt-13b")
    assert by_id is not None
    assert by_id == catalog.find_model("cerebras/Cerebras-GPT-13B")
    hub = catalog.find_model("someone/something")
    assert hub is not None
    assert (hub.origin, hub.shape, hub.here) == ("hub", None, False)
    folder = _model(tmp_path / "work" / "local")
    local = catalog.find_model("./local")
    assert local is not None
    assert (local.id, local.origin, local.local_path) == ("./local", "folder", Path("local"))
    assert local.shape is not None
    assert local.shape.width == 16
    assert folder.is_dir()


def test_a_folder_wins_over_a_preset_of_its_name() -> None:
    Path("tiny").mkdir()
    assert catalog.require_model("tiny").origin == "built-in"
    _model(Path("smollm2-360m"))
    assert catalog.require_model("smollm2-360m").origin == "folder"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("tinny", "model: unknown model 'tinny'; the nearest known id is tiny"),
        (
            "cerebras-gpt-12b",
            "model: unknown model 'cerebras-gpt-12b'; the nearest known ids are "
            "cerebras-gpt-13b, cerebras-gpt-2.7b, cerebras-gpt-1.3b",
        ),
        (
            "zzz",
            "model: unknown model 'zzz'; use a preset id, a hub id (owner/name) "
            "or the folder of a model",
        ),
        ("./nowhere", "model: there is no './nowhere'; name an existing folder"),
        (
            "../work",
            "model: the folder '../work' holds no model; "
            "name a folder with config.json and its weights",
        ),
        ("a\0b", None),
        ("x" * 5000, None),
        ("~nobody-here/x", None),
    ],
)
def test_other_names_are_one_sentence(name: str, sentence: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        catalog.require_model(name)
    if sentence is not None:
        assert str(caught.value) == sentence


def test_a_file_that_is_no_model_says_so() -> None:
    Path("notes.txt").write_text("x")
    with pytest.raises(ConfigError, match=r"'notes\.txt' is no model"):
        catalog.require_model("notes.txt")
    Path("some.gguf").write_bytes(b"GGUF")
    assert catalog.require_model("some.gguf").local_path == Path("some.gguf")


def test_the_built_in_dataset_and_local_files_need_no_download() -> None:
    Path("rows.jsonl").write_text("{}")
    found = catalog.datasets_here()
    assert [entry.id for entry in found] == ["rows.jsonl", "python-stdlib"]
    assert found[0].origin == "file"
    assert all(entry.here for entry in found)


def test_a_dataset_is_found_by_id_hub_id_or_path(tmp_path: Path) -> None:
    by_id = catalog.find_dataset("evol-instruct-python")
    assert by_id is not None
    assert by_id.source == "mlabonne/Evol-Instruct-Python-26k"
    assert not by_id.here
    assert catalog.find_dataset("mlabonne/Evol-Instruct-Python-26k") == by_id
    (tmp_path / "hub" / "datasets--mlabonne--Evol-Instruct-Python-26k" / "snapshots" / "a").mkdir(
        parents=True
    )
    here = catalog.find_dataset("evol-instruct-python")
    assert here is not None
    assert here.here
    source = catalog.find_dataset("python:.")
    assert source is not None
    assert source.origin == "file"
    other = catalog.find_dataset("someone/data")
    assert other is not None
    assert other.origin == "hub"
    assert catalog.find_dataset("nothing") is None
