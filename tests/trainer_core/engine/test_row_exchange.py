"""Rows of several ranks become whole tensors at their owners."""

from __future__ import annotations

import threading

import pytest
import torch

from trainer_core.engine import row_exchange
from trainer_core.engine.distributed import World
from trainer_core.engine.gather import rows_of
from trainer_core.engine.row_exchange import RowExchange, Rows

RANKS = 3


@pytest.fixture
def in_threads(monkeypatch):
    """Three ranks as threads, each with its name; what one sends the others find."""
    sent: dict[int, tuple[torch.Tensor, ...]] = {}
    meeting = threading.Barrier(RANKS, timeout=60)

    def all_to_all(got, given, got_bytes, sent_bytes, group):
        rank = int(threading.current_thread().name)
        sent[rank] = torch.split(given, sent_bytes)
        meeting.wait()
        got.copy_(torch.cat([sent[other][rank] for other in range(RANKS)]))
        assert [sent[other][rank].numel() for other in range(RANKS)] == got_bytes
        meeting.wait()

    monkeypatch.setattr(row_exchange.dist, "new_group", lambda backend: None)
    monkeypatch.setattr(row_exchange.dist, "all_to_all_single", all_to_all)


@pytest.mark.parametrize("bucket_bytes", [1, 200, 1 << 20])
def test_every_tensor_comes_together_at_its_owner(in_threads, monkeypatch, bucket_bytes):
    """Fewer rows than ranks, rows that do not divide, other types: each whole, once, in order."""
    monkeypatch.setattr(row_exchange, "BUCKET_BYTES", bucket_bytes)
    tensors = {
        "a": torch.randn(7, 3),
        "b": torch.randn(2, 5, 2).to(torch.bfloat16),
        "c": torch.arange(6),
        "d": torch.randn(4, 1),
    }
    owners = {"a": 1, "b": 0, "c": 1, "d": 2}
    found: dict[str, torch.Tensor] = {}

    def be(rank: int) -> None:
        rows = [
            Rows(
                name=name,
                shape=tensor.shape,
                owner=owners[name],
                own=tensor[rows_of(rank, RANKS, tensor.shape[0])],
            )
            for name, tensor in tensors.items()
        ]
        for name, tensor in RowExchange(World(rank=rank, size=RANKS)).whole(rows).items():
            assert owners[name] == rank
            assert name not in found
            found[name] = tensor

    ranks = [threading.Thread(target=be, args=(rank,), name=str(rank)) for rank in range(RANKS)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(60)
    assert sorted(found) == sorted(tensors)
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor), name
