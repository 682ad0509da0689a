"""What is not the same between runs: settings, and what more devices brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.record.summary import RunSummary

SIZE_FIELDS = frozenset(
    {"size", "devices", "name", "micro_batch_size", "parallel", "worker", "checkpoint", "log"}
)
"""Top-level fields that follow the size or only say how a run is watched and kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Speedup:
    """Two runs of one task on different numbers of devices; places count from 0."""

    slow: int
    """The run on fewer devices."""
    fast: int
    slow_devices: int
    fast_devices: int
    factor: float
    """Tokens per second of the one over those of the other."""

    @property
    def efficiency(self) -> float:
        """Speed-up over the ratio of devices; 1 is perfect."""
        return self.factor * self.slow_devices / self.fast_devices


def differing_fields(configs: Sequence[RunConfig]) -> list[tuple[str, tuple[str, ...]]]:
    """Return (dotted field, one text a run) for each field that is not the same in all."""
    flat = [_flat(msgspec.to_builtins(config)) for config in configs]
    fields = list(dict.fromkeys(field for one in flat for field in one))
    found = []
    for field in fields:
        texts = tuple(_text(one.get(field)) for one in flat)
        if len(set(texts)) > 1:
            found.append((field, texts))
    return found


def speedups(runs: Sequence[tuple[RunConfig, RunSummary]]) -> list[Speedup]:
    """Compare with the run on fewest devices each that differs from it in size alone."""
    known = [
        (max(1, len(summary.devices)), summary.tokens_per_second, config, place)
        for place, (config, summary) in enumerate(runs)
        if summary.tokens_per_second and summary.devices
    ]
    if len(known) < 2:
        return []
    slow_devices, slow_speed, base, slow = min(known, key=lambda one: (one[0], one[3]))
    return [
        Speedup(slow=slow, fast=place, slow_devices=slow_devices, fast_devices=devices,
                factor=speed / slow_speed)
        for devices, speed, config, place in known
        if devices > slow_devices and slow_speed and speed and _same_task(base, config)
    ]  # fmt: skip


def _same_task(one: RunConfig, other: RunConfig) -> bool:
    differing = differing_fields((one, other))
    return all(field.partition(".")[0] in SIZE_FIELDS for field, _ in differing)


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, part in value.items():
        if isinstance(part, dict):
            flat |= _flat(part, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = part
    return flat


def _text(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "–"
    return str(value)
