"""All kinds of sources give records."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer_core.engine.data.read import Opened, open_source
from trainer_core.engine.data.source import find_source
from trainer_core.errors import DataError
from trainer_core.run.config.run_config import DataConfig

CODE = '''def area(width, height):
    """Return the area of a rectangle in square units."""
    if width < 0:
        raise ValueError(width)
    return width * height
'''


def opened(name: str) -> Opened:
    return open_source(find_source(name, DataConfig()))


def test_a_folders_files_follow_each_other(write_rows: Callable[..., Path]) -> None:
    write_rows([{"text": "a"}], "d/one.jsonl")
    folder = write_rows([{"text": "b"}, {"text": "c"}], "d/two.jsonl").parent
    records = list(opened(str(folder)).records(lambda _: None))
    assert [record.value["text"] for record in records] == ["a", "b", "c"]
    assert [record.file.rpartition("/")[2] for record in records] == [
        "one.jsonl",
        "two.jsonl",
        "two.jsonl",
    ]
    assert {record.split for record in records} == {None}


def test_a_folders_own_split_marks_its_rows(write_rows: Callable[..., Path]) -> None:
    write_rows([{"text": "a"}], "d/train.jsonl")
    folder = write_rows([{"text": "b"}], "d/test.jsonl").parent
    records = opened(str(folder)).records(lambda _: None)
    assert {record.value["text"]: record.split for record in records} == {"a": "train", "b": "eval"}


def test_the_built_in_rows_carry_their_split() -> None:
    splits = [record.split for record in opened("python-stdlib").records(lambda _: None)]
    assert (splits.count("train"), splits.count("eval")) == (2175, 145)


def test_python_is_read_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / "shapes.py").write_text(CODE)
    (record,) = opened(f"python:{tmp_path}").records(lambda _: None)
    assert record.value["output"].startswith("def area(width, height):\n    if width < 0")
    assert record.split is None
    (tmp_path / "shapes.py").write_text("x = 1\n")
    again = opened(f"python:{tmp_path}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no function there has a docstring of 30 characters"):
        list(opened(f"python:{tmp_path / 'empty'}").records(lambda _: None))
    assert again.fingerprint


def test_a_report_does_not_read_the_bytes_twice(write_rows: Callable[..., Path]) -> None:
    source = find_source(str(write_rows([{"text": "a"}])), DataConfig())
    assert open_source(source, identify=False).fingerprint == ""
    assert open_source(source).fingerprint != ""
    assert open_source(source).row_count is None


def test_small_local_files_need_no_heavy_library() -> None:
    """Start-up time: neither pandas nor `datasets` for what our own readers read."""
    import subprocess

    code = (
        "import sys; from trainer_core.engine.data.read import open_source\n"
        "from trainer_core.engine.data.source import find_source\n"
        "from trainer_core.run.config.run_config import DataConfig\n"
        "source = find_source('python-stdlib', DataConfig())\n"
        "assert len(list(open_source(source).records(print))) == 2320\n"
        "heavy = {'torch', 'transformers', 'datasets', 'pandas', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
