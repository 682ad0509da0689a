"""Which device this rank computes on, and how it is set up for equal numbers every time."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence

import torch

from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.errors import UserError


def choose_device(local_rank: int) -> torch.device:
    """Return the device of a rank: its card, or the CPU of a host that has none.

    Ranks usually see one card each; where all are visible (torchrun) the local rank counts.

    Raises:
        UserError: If the driver shows a card and torch cannot use it: never the CPU in silence.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):  # how a CPU is chosen
        return torch.device("cpu")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        usable = torch.cuda.is_available()
    if usable:
        index = local_rank if torch.cuda.device_count() > local_rank else 0
        device = torch.device("cuda", index)
        torch.cuda.set_device(device)
        return device
    refuse_unusable_card([str(warning.message) for warning in caught])
    return torch.device("cpu")


def refuse_unusable_card(torch_says: Sequence[str]) -> None:
    """Raise if a permitted card is there after torch has said that it can use none.

    Args:
        torch_says: Its warnings while it looked.

    Raises:
        UserError: One sentence with the driver's and torch's version and the way out.
    """
    from trainer_core.accelerators.inventory import read_devices

    cards = [device for device in read_devices().permitted if device.kind in ("nvidia", "amd")]
    if cards:
        raise UserError(unusable_sentence(cards[0], torch_says))


def unusable_sentence(card: DeviceSnapshot, torch_says: Sequence[str]) -> str:
    """Say why torch cannot use a card that its driver shows, and what to do."""
    built_for = "a CPU only"
    if torch.version.cuda:
        built_for = f"CUDA {torch.version.cuda}"
    elif torch.version.hip:
        built_for = f"ROCm {torch.version.hip}"
    driver = f"driver {card.driver_version}" if card.driver_version else "driver version unknown"
    reason = f" ({torch_says[0].splitlines()[0].strip()})" if torch_says else ""
    return (
        f"{card.name} is there ({driver}) but torch {torch.__version__}, built for {built_for}, "
        f"cannot use it{reason}; install a torch build this driver supports, name an interpreter "
        "that has one as worker.python, or choose the CPU with CUDA_VISIBLE_DEVICES=''"
    )


def pin_to_cores() -> None:
    """Stay on the logical processors this rank was given, where it was given some."""
    from trainer_core.accelerators.environment import CORES_VARIABLE

    cores = {int(core) for core in os.environ.get(CORES_VARIABLE, "").split(",") if core}
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def set_threads(threads: int | None, local_ranks: int) -> int:
    """Set the CPU threads of this rank; returns their number.

    Args:
        threads: As configured; None takes OMP_NUM_THREADS, else shares the permitted physical
            cores among the ranks of this host.
        local_ranks: Ranks on this host.
    """
    if threads is None and os.environ.get("OMP_NUM_THREADS", "").isdigit():
        threads = int(os.environ["OMP_NUM_THREADS"])
    if threads is None:
        threads = physical_cores() // local_ranks
    threads = max(1, threads)
    torch.set_num_threads(threads)
    return threads


def physical_cores() -> int:
    """Return the physical cores this process may run on; two threads of one core count once."""
    import psutil

    permitted = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    logical = psutil.cpu_count(logical=True) or 1
    physical = psutil.cpu_count(logical=False) or logical
    permitted = permitted or logical
    return max(1, round(permitted * physical / logical))


def make_repeatable(seed: int, rank: int, device: torch.device) -> None:
    """Make the same seed give the same digits on the same machine.

    Dropout draws from a stream per rank. On cards, kernels that add in an unforeseeable order are
    replaced; those without such a twin only warn. On a CPU nothing but the number of threads
    and the machine's instruction set changes the digits.
    """
    torch.manual_seed(seed * 1_000_003 + rank)
    if device.type == "cuda":
        # Two fixed work areas: without them cuBLAS may split sums differently from call to call.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        import torch.utils.deterministic as fills

        fills.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a property
        torch.set_float32_matmul_precision("high")
