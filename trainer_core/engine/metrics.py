"""How long steps take and what they achieve, device-synchronised."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from trainer_core.plan.types import ModelShape
from trainer_core.run.config.run_config import Method


@dataclass(frozen=True, kw_only=True, slots=True)
class StepWork:
    """What one optimizer step did, over all ranks."""

    tokens: int
    """Without padding."""
    padded_tokens: int
    counted_tokens: int
    squared_lengths: int
    """Sum of the squared document lengths, for the mean attended length."""

    @property
    def attended_length(self) -> float:
        """Sum of squared lengths over sum of lengths: the document a token sees, on average."""
        return self.squared_lengths / max(1, self.tokens)


class StepClock(Protocol):
    """Times the stretch between two borders without making the device wait."""

    def border(self) -> None:
        """Mark the end of a step."""

    def restart(self) -> None:
        """Begin again here: what lies before belongs to no step."""

    def seconds(self) -> float:
        """Duration of the last finished step; waits for it if it is not over."""


class HostClock:
    """For devices that work in step with the host."""

    def __init__(self) -> None:
        self._from = self._to = time.perf_counter()

    def border(self) -> None:
        """Mark the end of a step."""
        self._from, self._to = self._to, time.perf_counter()

    def restart(self) -> None:
        """Begin again here."""
        self._to = time.perf_counter()

    def seconds(self) -> float:
        """Duration of the last step."""
        return self._to - self._from


class CardClock:
    """Events in the card's own queue: the time between them is the card's, waits included."""

    def __init__(self) -> None:
        self._from = self._to = self._event()

    def border(self) -> None:
        """Mark the end of a step."""
        self._from, self._to = self._to, self._event()

    def restart(self) -> None:
        """Begin again here."""
        self._to = self._event()

    def seconds(self) -> float:
        """Duration of the last step; waits for its end."""
        self._to.synchronize()
        return float(self._from.elapsed_time(self._to)) / 1000

    def _event(self) -> torch.cuda.Event:
        event: torch.cuda.Event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event


def on_its_way_to_host(values: Tensor) -> Tensor:
    """Return a copy in host memory, complete once the device has passed this point.

    Reading a tensor later instead would queue behind all that was started since: the card stood
    still for 18 ms a step while the optimizer was launched (one H100, November 2026).
    """
    if values.device.type != "cuda":
        return values
    return torch.empty_like(values, device="cpu", pin_memory=True).copy_(values, non_blocking=True)


def clock_for(device: torch.device) -> StepClock:
    """Return the clock of a device."""
    return CardClock() if device.type == "cuda" else HostClock()


def device_name(device: torch.device) -> str:
    """Return the name torch gives a card, `cpu` for a CPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def peak_flops_of(device: torch.device) -> float | None:
    """Return the dense bf16 peak of a device in operations per second, None where unknown."""
    if device.type != "cuda":
        return None
    from trainer_core.plan.peaks import dense_bf16_peak

    return dense_bf16_peak(device_name(device))


def model_flops_utilization(
    shape: ModelShape,
    method: Method,
    work: StepWork,
    *,
    seconds: float,
    devices: int,
    peak_flops: float | None,
) -> float | None:
    """Return the share of the devices' peak that the model's own products made use of.

    None where the peak is not known. Recomputation is not counted: it is work, not progress.
    """
    if peak_flops is None or seconds <= 0:
        return None
    from trainer_core.plan.speed import flops_per_token

    flops = flops_per_token(shape, method, work.attended_length) * work.tokens
    return flops / seconds / (devices * peak_flops)
