"""Whether the worker's torch can use the cards of a run, asked before a run folder exists."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.accelerators.environment import rank_environment
from trainer_core.accelerators.worker_torch import driver_cuda, probe, why_unusable
from trainer_core.errors import UserError
from trainer_core.folders import cache_root
from trainer_core.run.processes.identity import boot_id

TORCH_FILES = "lib/python3*/site-packages/torch/version.py"
"""Changes with every installation of torch, below an interpreter's prefix."""


def require_usable(devices: Sequence[DeviceSnapshot], python: str | None) -> None:
    """Refuse cards that the worker's torch cannot use; a processor is never asked about.

    Importing torch takes seconds, so a yes is remembered for this boot, these cards with their
    driver, and this torch. A no is asked again: its user may just have mended it.

    Args:
        devices: The run's.
        python: The worker's interpreter; None is our own.

    Raises:
        UserError: Why not, in one sentence with the way out.
    """
    cards = [device for device in devices if device.kind != "cpu"]
    if not cards:
        return
    known = cache_root() / "worker" / _key(cards, python)
    if known.exists():
        return
    facts = probe(python, rank_environment(cards, 0))
    reason = why_unusable(facts, cards, driver_cuda(cards), python)
    if reason is not None:
        raise UserError(reason)
    try:
        known.parent.mkdir(parents=True, exist_ok=True)
        known.touch()
    except OSError:
        return  # asked again the next time


def _key(cards: Sequence[DeviceSnapshot], python: str | None) -> str:
    interpreter = python or sys.executable
    prefix = Path(interpreter).parent.parent
    installed = [f"{file}:{file.stat().st_mtime_ns}" for file in prefix.glob(TORCH_FILES)]
    drivers = sorted(f"{card.uuid} {card.driver_version}" for card in cards)
    bounds = [os.environ.get("LD_LIBRARY_PATH", ""), os.environ.get("PYTHONPATH", "")]
    facts = "\n".join([boot_id(), interpreter, *installed, *drivers, *bounds])
    return hashlib.sha256(facts.encode()).hexdigest()[:24]
