"""Small files, tokenizers and rows for the tests of the data path."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer_core.engine.data.encoder import TextEncoder, tiny_encoder
from trainer_core.engine.data.record import Record
from trainer_core.engine.data.source import DataFile, find_source
from trainer_core.engine.data.text_files import read_csv, read_json, read_jsonl, read_text
from trainer_core.errors import DataError
from trainer_core.run.config.run_config import DataConfig

READERS = {"jsonl": read_jsonl, "json": read_json, "csv": read_csv, "text": read_text}

Read = Callable[[str, bytes | str], tuple[list[Record], list[DataError]]]
WriteRows = Callable[..., Path]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test asks a network, and none leaves the libraries switched to offline."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def encoder() -> TextEncoder:
    return tiny_encoder()


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Write a file of this name and read it: records, and errors in order."""
    monkeypatch.chdir(tmp_path)

    def read_file(name: str, content: bytes | str) -> tuple[list[Record], list[DataError]]:
        data = content if isinstance(content, bytes) else content.encode()
        Path(name).write_bytes(data)
        file: DataFile = find_source(name, DataConfig()).files[0]
        errors: list[DataError] = []
        return list(READERS[file.kind](file, errors.append)), errors

    return read_file


@pytest.fixture
def write_rows(tmp_path: Path) -> WriteRows:
    """Write rows as JSON lines and return the path."""

    def write(rows: list[dict[str, object]], name: str = "rows.jsonl") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


@pytest.fixture
def pairs() -> list[dict[str, object]]:
    """Forty instruction rows, all different."""
    return [
        {"instruction": f"Say number {number} in words.", "output": f"It is number {number}."}
        for number in range(40)
    ]
