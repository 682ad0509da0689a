"""Safetensors files written in one pass: hashed on the way to the disk, flushed, counted.

The format's own writer makes a second copy in memory and leaves hashing to a second reading.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from trainer_core.durable import CHUNK_BYTES
from trainer_core.run.storage.checkpoints import StoredFile

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_ALIGNMENT = 8


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> StoredFile:
    """Write tensors as one safetensors file and flush it.

    Args:
        path: A file that is not there yet.
        tensors: On the CPU, or on a card where memory for a copy is short.

    Raises:
        OSError: If the disk refuses.

    Source: https://github.com/huggingface/safetensors#format
    """
    return write_pieces(path, _pieces(tensors))


def write_pieces(path: Path, pieces: Iterator[memoryview | bytes]) -> StoredFile:
    """Write pieces as one new file, its owner's alone, flushed; returns its size and sum.

    Raises:
        OSError: If the disk refuses; a write that was cut short is never taken for a success.
    """
    digest, size = hashlib.sha256(), 0
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        for piece in pieces:
            digest.update(piece)
            left = memoryview(piece)
            while left:
                left = left[os.write(handle, left) :]
            size += len(piece)
        os.fsync(handle)
    finally:
        os.close(handle)
    return StoredFile(bytes=size, sha256=digest.hexdigest())


def _pieces(tensors: Mapping[str, Tensor]) -> Iterator[memoryview | bytes]:
    # Largest elements first, so that each tensor begins where its type may begin.
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in names:
        tensor = tensors[name]
        begin, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    yield len(text).to_bytes(8, "little") + text
    for name in names:
        if not tensors[name].numel():
            continue
        whole = tensors[name].detach().contiguous().reshape(-1).view(torch.uint8)
        for start in range(0, whole.numel(), CHUNK_BYTES):
            yield whole[start : start + CHUNK_BYTES].cpu().numpy().data
