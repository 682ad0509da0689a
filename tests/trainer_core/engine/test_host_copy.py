"""Copies land whole in memory that is kept: whatever the types, shapes and sizes of chunks."""

from __future__ import annotations

import torch

from trainer_core.engine import host_copy
from trainer_core.engine.host_copy import HostCopies


def some_tensors(seed: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return {
        "large": torch.randn(300, 7),
        "turned": torch.randn(5, 9).T,
        "half": torch.randn(33).to(torch.bfloat16),
        "codes": torch.randn(10, 3).to(torch.float8_e4m3fn),
        "count": torch.tensor(7.0),
        "none": torch.empty(0, 4),
    }


def test_copies_equal_and_stand_apart(monkeypatch):
    """Chunks of 100 bytes cross every border between tensors; a second copy takes the same room."""
    monkeypatch.setattr(host_copy, "CHUNK_BYTES", 100)
    copies = HostCopies()
    held = []
    for seed in (1, 2):
        tensors = some_tensors(seed)
        wanted = {name: tensor.clone() for name, tensor in tensors.items()}
        copied = copies.copy(tensors)
        for tensor in tensors.values():
            tensor.fill_(0)
        assert list(copied) == list(wanted)
        for name, tensor in wanted.items():
            assert copied[name].dtype == tensor.dtype
            assert copied[name].shape == tensor.shape
            assert torch.equal(copied[name].float(), tensor.float()), name
        held.append((copies.held_bytes, copied["large"].data_ptr()))
    assert held[0] == held[1]
