"""What is written in one pass is what safetensors reads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from trainer_core.durable import CHUNK_BYTES, sha256_of
from trainer_core.engine.tensor_file import write_pieces, write_tensors


def test_every_type_and_shape_comes_back(tmp_path: Path) -> None:
    tensors = {
        "wide": torch.randn(3, 5),
        "half": torch.randn(7).to(torch.bfloat16),
        "bytes": torch.arange(5, dtype=torch.uint8),
        "counter": torch.tensor(12.0),
        "empty": torch.empty(0, 4),
        "eighth": torch.randn(6).to(torch.float8_e4m3fn),
        "flags": torch.tensor([True, False]),
        "large": torch.randn(CHUNK_BYTES // 4 + 3),
    }
    path = tmp_path / "file.safetensors"
    written = write_tensors(path, tensors)
    assert (written.bytes, written.sha256) == (path.stat().st_size, sha256_of(path))
    assert path.stat().st_mode & 0o077 == 0
    read = load_file(path)
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name].view(torch.uint8) if name == "eighth" else read[name],
                           tensor.view(torch.uint8) if name == "eighth" else tensor)  # fmt: skip


def test_short_writes_are_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: inner(handle, bytes(data[:3])))
    written = write_pieces(tmp_path / "file", iter([b"0123456789", b"ab"]))
    assert written.bytes == 12
    assert (tmp_path / "file").read_bytes() == b"0123456789ab"


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(FileExistsError):
        write_pieces(tmp_path / "file", iter([b"new"]))
