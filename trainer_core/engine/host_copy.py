"""Copies of a card's tensors in host memory, at the speed of the bus.

A plain copy into fresh host memory goes through the driver's small buffer and touches each page
for the first time while training waits: 13 B parameters held a run for a minute. Here chunks go
through a few page-locked buffers on a stream of their own, threads carry them on, and the memory
they land in is kept for the next checkpoint.
"""

from __future__ import annotations

import ctypes
import mmap
import queue
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress

import torch
from torch import Tensor

CHUNK_BYTES = 32 << 20
CHUNKS = 8
"""Page-locked buffers of a rank: 256 MiB, whatever the size of the model."""
CARRIERS = 6
"""Threads that empty them: one copies about 8 GB/s and the bus brings 25 to 50."""

_ALIGNMENT = 64


class HostCopies:
    """Host memory for one checkpoint of this rank; copying again overwrites the copy before."""

    def __init__(self) -> None:
        self._memory = torch.empty(0, dtype=torch.uint8)
        self._free: queue.SimpleQueue[Tensor] | None = None

    @property
    def held_bytes(self) -> int:
        """Host memory that the next copy need not ask for."""
        return self._memory.numel()

    def copy(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return copies in host memory, complete when this returns.

        Args:
            tensors: All on one device.
        """
        places, total = _places(tensors)
        if total > self.held_bytes:
            self._memory = torch.empty(0, dtype=torch.uint8)  # given back before more is taken
            self._memory = _huge_pages(total)
        device = next((tensor.device for tensor in tensors.values()), torch.device("cpu"))
        free = self._free = self._free or _page_locked(device)
        side = _stream(device) if device.type == "cuda" else None
        if side is not None:
            side.wait_stream(torch.cuda.current_stream(device))
        with ThreadPoolExecutor(CARRIERS, thread_name_prefix="host-copy") as carriers:
            landings = []
            for source, place in _chunks(tensors, places):
                chunk = free.get()[: source.numel()]
                with torch.cuda.stream(side) if side is not None else nullcontext():
                    chunk.copy_(source, non_blocking=True)
                arrived = side.record_event() if side is not None else None
                target = self._memory.data_ptr() + place
                landings.append(carriers.submit(_land, chunk, target, arrived, free))
            for landing in landings:
                landing.result()
        return {
            key: self._memory[places[key] : places[key] + _bytes(tensor)]
            .view(tensor.dtype)
            .view(tensor.shape)
            for key, tensor in tensors.items()
        }


def _land(
    chunk: Tensor,
    target: int,
    arrived: torch.cuda.Event | None,
    free: queue.SimpleQueue[Tensor],
) -> None:
    if arrived is not None:
        arrived.synchronize()
    # Of torch's own copy each thread would start a team of threads.
    ctypes.memmove(target, chunk.data_ptr(), chunk.numel())
    whole = chunk._base
    free.put(chunk if whole is None else whole)


def _places(tensors: Mapping[str, Tensor]) -> tuple[dict[str, int], int]:
    """Return where each tensor begins, and the bytes of all."""
    places: dict[str, int] = {}
    end = 0
    for key, tensor in tensors.items():
        places[key] = end
        end += -(-_bytes(tensor) // _ALIGNMENT) * _ALIGNMENT
    return places, end


def _chunks(
    tensors: Mapping[str, Tensor], places: Mapping[str, int]
) -> Iterator[tuple[Tensor, int]]:
    for key, tensor in tensors.items():
        whole = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
        for start in range(0, whole.numel(), CHUNK_BYTES):
            yield whole[start : start + CHUNK_BYTES], places[key] + start


def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _page_locked(device: torch.device) -> queue.SimpleQueue[Tensor]:
    free: queue.SimpleQueue[Tensor] = queue.SimpleQueue()
    for _ in range(CHUNKS):
        free.put(torch.empty(CHUNK_BYTES, dtype=torch.uint8, pin_memory=device.type == "cuda"))
    return free


def _huge_pages(size: int) -> Tensor:
    """Return memory whose first touch costs one page fault in 2 MiB where the host allows it."""
    memory = mmap.mmap(-1, size)
    with suppress(OSError, AttributeError):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=torch.uint8)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
