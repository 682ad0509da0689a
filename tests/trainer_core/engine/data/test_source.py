"""Names of datasets: files, folders, presets, hub ids, and one sentence for everything else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainer_core.engine.data.source import Source, find_source, fingerprint
from trainer_core.errors import DataError
from trainer_core.run.config.config_file import PRESETS
from trainer_core.run.config.run_config import DataConfig
from trainer_core.yaml_text import read_yaml_file

ROW = '{"text": "x"}\n'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, text: str = ROW) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def find(name: str, **data: object) -> Source:
    return find_source(name, DataConfig(**data))  # type: ignore[arg-type]


WRONG = [
    ("nowhere.jsonl", "there is no such file, folder or preset; check the path"),
    ("./data", "there is no such file, folder or preset; check the path"),
    ("python-stdlb", "the nearest known names are python-stdlib"),
    ("wikipedia", "name a file or folder, a hub id (owner/name), or one of python-stdlib, evol"),
    ("python:nowhere", "there is no folder 'nowhere'; check the path"),
    ("rows.xlsx", "files ending in .xlsx cannot be read; use .jsonl, .json, .csv, .parquet or"),
    ("rows", "its name has no ending, so its format is not known; use .jsonl, .json, .csv"),
    ("code.py", "is a Python file; use the folder: python:."),
    ("empty", "the folder holds no data file; put .jsonl, .json, .csv, .parquet or .txt files"),
    ("pipe.jsonl", "is no ordinary file; name a file or a folder"),
]


@pytest.mark.parametrize(("name", "sentence"), WRONG)
def test_what_is_nothing_is_said_with_the_way_out(name: str, sentence: str) -> None:
    write("rows.xlsx")
    write("rows")
    write("code.py")
    Path("empty").mkdir()
    os.mkfifo("pipe.jsonl")
    with pytest.raises(DataError) as raised:
        find(name)
    assert str(raised.value).startswith(f"{name}: ")
    assert sentence in str(raised.value)


def test_files_are_known_by_their_ending() -> None:
    for name in ("a.jsonl", "a.jsonl.gz", "a.ndjson", "a.JSON", "a.csv", "a.tsv", "a.txt", "a.md"):
        write(name)
        source = find(name)
        assert (source.kind, source.files[0].name) == ("files", name)


def test_what_lies_on_disk_wins_over_presets_and_hub_ids() -> None:
    write("python-stdlib/a.jsonl")
    write("owner/name/a.jsonl")
    assert find("python-stdlib").files[0].path == Path("python-stdlib/a.jsonl")
    assert find("owner/name").kind == "files"
    assert find("other/name").hub_id == "other/name"


def test_a_folder_is_its_tables_in_order_with_its_own_splits() -> None:
    for name in ("train-1.jsonl", "train-0.jsonl", "validation.jsonl", "README.md", "notes.txt"):
        write(f"d/{name}")
    write("d/.cache/x.jsonl")
    write("d/dataset_info.json", "{}")
    files = find("d").files
    assert [(file.name, file.split) for file in files] == [
        ("d/train-0.jsonl", "train"),
        ("d/train-1.jsonl", "train"),
        ("d/validation.jsonl", "eval"),
    ]
    write("only/test.jsonl")
    assert find("only").files[0].split == "train"
    write("contest/latest.jsonl")
    write("contest/valid-names.jsonl")
    assert [file.split for file in find("contest").files] == ["train", "eval"]


def test_a_folder_of_texts_is_read_too() -> None:
    write("texts/a.txt")
    write("texts/b.md")
    assert [file.kind for file in find("texts").files] == ["text", "text"]


def test_presets_are_hub_ids_with_their_settings_unless_the_user_says_otherwise() -> None:
    source = find("cnn-dailymail")
    assert source.hub_id == "abisee/cnn_dailymail"
    assert (source.data.subset, source.data.instruction_column) == ("3.0.0", "article")
    assert find("abisee/cnn_dailymail", subset="2.0.0").data.subset == "2.0.0"
    assert find("mlabonne/Evol-Instruct-Python-26k").kind == "hub"


def test_every_preset_can_be_named() -> None:
    for name, preset in read_yaml_file(PRESETS / "datasets.yaml").items():
        source = find(name)
        assert source.hub_id == preset.get("hub")
        assert preset["title"]


def test_the_built_in_rows_carry_their_licence() -> None:
    source = find("python-stdlib")
    assert source.licence == "PSF-2.0"
    assert source.bytes > 100_000


def test_a_fingerprint_is_the_bytes_and_not_the_name() -> None:
    write("a.jsonl")
    write("b.jsonl")
    first = fingerprint(find("a.jsonl"))
    assert fingerprint(find(str(Path("b.jsonl").absolute()))) == first
    write("b.jsonl", ROW + ROW)
    assert fingerprint(find("b.jsonl")) != first
    write("code/m.py", "x = 1\n")
    before = fingerprint(find("python:code"))
    write("code/m.py", "x = 2\n")
    assert fingerprint(find("python:code")) != before
