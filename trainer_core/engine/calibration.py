"""How fast one device multiplies, moves memory and talks to the next: measured in a few seconds."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import multiprocessing

from trainer_core.engine.device import set_threads

REPEATS = 5
COPIED_BYTES = {"cpu": 64 << 20, "cuda": 1 << 30}
SIDES = {"cpu": 1_024, "cuda": 8_192}
"""Of the square product: large enough to fill the device."""

SUMMED_BYTES = 16 << 20


def measure(
    device: torch.device, *, ranks: int = 1, meeting: str | None = None
) -> dict[str, float]:
    """Measure one device; its rates are those of the best of a few tries.

    Args:
        device: Which.
        ranks: Of this host: a processor's cores are shared out among them, and with two or more
            the link between two is measured.
        meeting: A file that does not exist yet, where two ranks meet.

    Returns:
        `fp32_flops`, on cards `bf16_flops`, `memory_bandwidth`, and `link_bandwidth` of two CPU
        ranks; operations or bytes per second.
    """
    kind = device.type
    if kind == "cpu":
        set_threads(None, ranks)
    found = {"fp32_flops": _product_rate(device, torch.float32)}
    if kind == "cuda":
        found["bf16_flops"] = _product_rate(device, torch.bfloat16)
    size = COPIED_BYTES[kind]
    source = torch.ones(size // 4, device=device)
    target = torch.empty_like(source)
    seconds = _best(lambda: target.copy_(source), device)
    found["memory_bandwidth"] = 2 * size / seconds
    if kind == "cpu" and ranks > 1 and meeting is not None:
        found["link_bandwidth"] = _link_rate(meeting)
    return found


def main(ranks: int, meeting: str | None) -> int:
    """Print what was measured on this interpreter's first device as one JSON object."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(json.dumps(measure(device, ranks=ranks, meeting=meeting)))  # noqa: T201 - its output
    return 0


def _product_rate(device: torch.device, dtype: torch.dtype) -> float:
    side = SIDES[device.type]
    left = torch.randn(side, side, device=device).to(dtype)
    right = torch.randn(side, side, device=device).to(dtype)
    return 2.0 * side**3 / _best(lambda: left @ right, device)


def _best(act: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of the quickest of a few tries, after one that warms up."""
    act()
    tries = []
    for _ in range(REPEATS):
        _wait(device)
        began = time.perf_counter()
        act()
        _wait(device)
        tries.append(time.perf_counter() - began)
    return min(tries)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _link_rate(meeting: str) -> float:
    """Return the bytes per second through one of two ranks that add up a tensor over gloo."""
    context = multiprocessing.get_context("spawn")
    peer = context.Process(target=_sum_with_peer, args=(1, meeting), daemon=True)
    peer.start()
    seconds = _sum_with_peer(0, meeting)
    peer.join()
    return SUMMED_BYTES / seconds


def _sum_with_peer(rank: int, meeting: str) -> float:
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    values = torch.ones(SUMMED_BYTES // 4)
    seconds = _best(lambda: dist.all_reduce(values), torch.device("cpu"))
    dist.destroy_process_group()
    return seconds
