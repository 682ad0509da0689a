"""Peak memory is this process's own, and the allocator keeps what it is told to keep."""

from __future__ import annotations

import subprocess
import sys

import torch

from trainer_core.engine.memory import keep_freed_memory, peak_memory_bytes


def peak() -> int:
    found = peak_memory_bytes(torch.device("cpu"))
    assert found is not None
    return found


def run(code: str, *arguments: str) -> list[str]:
    answer = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, check=True, text=True
    )
    return answer.stdout.split()


def test_the_peak_covers_what_was_allocated_and_freed():
    block = torch.ones(64 << 20, dtype=torch.uint8)
    with_block = peak()
    assert with_block > block.numel()
    del block
    assert peak() > 0.99 * with_block  # the kernel counts pages in bundles


def test_a_child_does_not_inherit_its_parents_peak():
    big = torch.ones(1 << 30, dtype=torch.uint8)
    code = """
from types import SimpleNamespace
from trainer_core.engine.memory import peak_memory_bytes
print(peak_memory_bytes(SimpleNamespace(type="cpu")))
"""
    assert peak() > big.numel()
    assert int(run(code)[0]) < big.numel()


def test_freed_blocks_stay_in_the_process():
    code = """
import ctypes, sys
from trainer_core.engine.memory import keep_freed_memory
kept = keep_freed_memory() if sys.argv[1] == "keep" else True
libc = ctypes.CDLL("libc.so.6")
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
block = libc.malloc(ctypes.c_size_t(200 << 20))
ctypes.memset(block, 1, 200 << 20)
libc.free(block)
pages = int(open("/proc/self/statm").read().split()[1])
print(kept, pages * 4096 >= 200 << 20)
"""
    if keep_freed_memory():
        assert run(code, "keep") == ["True", "True"]
        assert run(code, "not") == ["True", "False"]
