"""`amd-smi … --json`, read leniently: AMD calls its tool example code, and its form varies."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.accelerators.plausible import within
from trainer_core.accelerators.tool import output_of

TIMEOUT_SECONDS = 10.0
BEAT_SECONDS = 5.0
"""Each call starts a Python of its own; metrics are not asked for more often."""

UNIT_BYTES = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "KIB": 2**10, "MIB": 2**20}


@dataclass(slots=True)
class AmdSmi:
    """Calls the tool and keeps what does not change."""

    run: Callable[[tuple[str, ...]], str | None] | None = None
    """Runs the tool with these arguments and returns its output; tests give their own."""
    _static: list[dict[str, Any]] | None = None
    _metric: list[dict[str, Any]] | None = None
    _asked: float = float("-inf")

    def names(self) -> dict[str, str]:
        """Return marketing names by PCI address."""
        found = {}
        for card in self._cards():
            name, address = _pick(card, "asic", "market_name"), _pick(card, "bus", "bdf")
            if isinstance(name, str) and isinstance(address, str):
                found[address.lower()] = name
        return found

    def devices(self) -> tuple[DeviceSnapshot, ...]:
        """Return what the tool tells of every card, for hosts whose sysfs shows none."""
        cards = self._cards()
        if not cards:
            return ()
        now = time.monotonic()
        if self._metric is None or now - self._asked >= BEAT_SECONDS:
            self._metric, self._asked = self._call("metric"), now
        metrics = {metric.get("gpu"): metric for metric in self._metric}
        return tuple(
            _snapshot(index, card, metrics.get(card.get("gpu"), {}))
            for index, card in enumerate(cards)
        )

    def _cards(self) -> list[dict[str, Any]]:
        if self._static is None:
            self._static = self._call("static")
        return self._static

    def _call(self, what: str) -> list[dict[str, Any]]:
        text = (self.run or _ask)((what, "--json"))
        try:
            answer = json.loads(text) if text else None
        except (ValueError, RecursionError):
            return []
        if isinstance(answer, dict):
            answer = answer.get("gpu_data", [answer])
        if not isinstance(answer, list):
            return []
        return [entry for entry in answer if isinstance(entry, dict)]


def _ask(arguments: tuple[str, ...]) -> str | None:
    return output_of("amd-smi", *arguments, timeout_seconds=TIMEOUT_SECONDS)


def _snapshot(index: int, card: dict[str, Any], metric: dict[str, Any]) -> DeviceSnapshot:
    address = _pick(card, "bus", "bdf")
    name = _pick(card, "asic", "market_name")
    driver = _pick(card, "driver", "version")
    total = _bytes(_pick(metric, "mem_usage", "total_vram")) or _bytes(_pick(card, "vram", "size"))
    used = within(_bytes(_pick(metric, "mem_usage", "used_vram")), 0, total or 2**50)
    return DeviceSnapshot(
        uuid=address.lower() if isinstance(address, str) else f"amd-{index}",
        index=index,
        kind="amd",
        name=name if isinstance(name, str) else "AMD card",
        total_memory_bytes=total,
        memory_used_bytes=None if used is None else int(used),
        utilization_percent=within(_value(_pick(metric, "usage", "gfx_activity")), 0, 100),
        memory_utilization_percent=within(_value(_pick(metric, "usage", "umc_activity")), 0, 100),
        temperature_celsius=_degrees(metric, "edge") or _degrees(metric, "hotspot"),
        memory_temperature_celsius=_degrees(metric, "mem"),
        power_watts=within(_value(_pick(metric, "power", "socket_power")), 0, 10_000),
        driver_version=driver if isinstance(driver, str) else None,
        location=address.lower() if isinstance(address, str) else None,
    )


def _degrees(metric: dict[str, Any], name: str) -> float | None:
    return within(_value(_pick(metric, "temperature", name)), -50, 200)


def _pick(node: Any, *path: str) -> Any:
    for key in path:
        node = node.get(key) if isinstance(node, dict) else None
    return node


def _value(node: Any) -> float | None:
    """Return the number of `12`, `"12 W"` or `{"value": 12, "unit": "W"}`."""
    if isinstance(node, dict):
        node = node.get("value")
    if isinstance(node, str):
        words = node.split()
        try:
            node = float(words[0]) if words else None
        except ValueError:
            return None
    return float(node) if isinstance(node, int | float) and not isinstance(node, bool) else None


def _bytes(node: Any) -> int | None:
    """Return bytes of a figure with its unit; megabytes where none is given, as the tool's."""
    unit = node.get("unit") if isinstance(node, dict) else None
    if isinstance(node, str) and len(node.split()) == 2:
        unit = node.split()[1]
    factor = UNIT_BYTES.get(str(unit or "MB").upper())
    amount = within(_value(node), 0, 1e12)
    if amount is None or factor is None:
        return None
    return int(amount * factor) or None
