"""Described machines: planned for without being owned, never launched on."""

from __future__ import annotations

import difflib
import math
from pathlib import Path
from typing import Any, Literal, cast

from trainer_core.errors import ConfigError, ConfigErrors, UserError
from trainer_core.plan.hardware import DRIVER_SHARE_BYTES, matmul_flops
from trainer_core.plan.peaks import peaks_of
from trainer_core.plan.types import Hardware
from trainer_core.yaml_text import read_yaml_file

MACHINES = Path(__file__).parent.parent / "presets" / "machines"
"""Folder of the shipped descriptions."""

_KINDS = ("nvidia", "amd", "cpu")
_TEXTS = ("name", "kind", "device")
_WHOLE = {"devices": 4096, "devices_per_node": 1024, "memory_gb": 4096}
_RATES = {
    "usable_memory_gib": 2**30,
    "bf16_tflops": 1e12,
    "fp32_tflops": 1e12,
    "memory_gb_per_second": 1e9,
    "link_gb_per_second": 1e9,
    "node_link_gb_per_second": 1e9,
}
"""Optional numbers and what one of their units is in bytes, operations, or each per second."""

_REQUIRED = ("kind", "device", "devices", "memory_gb")


def machine_names() -> tuple[str, ...]:
    """Return the ids of the shipped descriptions, smallest machine first."""
    found = {path.stem: path for path in MACHINES.glob("*.yaml")}
    return tuple(sorted(found, key=lambda name: (_leading(name), name)))


def load_machine(name_or_file: str | Path, precision: str = "bf16") -> Hardware:
    """Read a description by id or from a file.

    Args:
        name_or_file: Id of a shipped description, or a YAML file; a file on disk wins.
        precision: `fp32` or `bf16`: which rate is meant.

    Raises:
        UserError: There is no such description, or it is no YAML.
        ConfigErrors: Every wrong key of it.
    """
    path = Path(name_or_file).expanduser()
    if not path.is_file():
        names = machine_names()
        if str(name_or_file) not in names:
            near = difflib.get_close_matches(str(name_or_file), names, n=1)
            known = near[0] if near else ", ".join(names)
            raise UserError(f"{name_or_file}: no such machine or file; machines: {known}")
        path = MACHINES / f"{name_or_file}.yaml"
    return parse_machine(read_yaml_file(path), origin=str(path), precision=precision)


def parse_machine(described: object, *, origin: str, precision: str = "bf16") -> Hardware:
    """Build the hardware from a decoded description.

    Raises:
        UserError: It is no mapping.
        ConfigErrors: Every wrong key of it.
    """
    if not isinstance(described, dict):
        raise UserError(f"{origin}: holds no settings; write `key: value` lines")
    errors = _wrong_keys(described)
    if errors:
        raise ConfigErrors(errors)
    values: dict[str, Any] = described
    device = values["device"]
    rates = {key: values[key] * unit for key, unit in _RATES.items() if key in values}
    peaks = peaks_of(device)
    memory = rates.get("usable_memory_gib") or values["memory_gb"] * 2**30
    return Hardware(
        kind=cast("Literal['nvidia', 'amd', 'cpu']", values["kind"]),
        name=values.get("name", f"{values['devices']} × {device}"),
        devices=values["devices"],
        memory_bytes=round(memory) - DRIVER_SHARE_BYTES,
        device_memory_gb=values["memory_gb"],
        matmul_flops=rates.get(f"{precision}_tflops") or matmul_flops(device, precision),
        memory_bandwidth=rates.get(
            "memory_gb_per_second", peaks.memory_bandwidth if peaks else None
        ),
        link_bandwidth=rates.get("link_gb_per_second", peaks.link_bandwidth if peaks else None),
        node_link_bandwidth=rates.get("node_link_gb_per_second"),
        devices_per_node=values.get("devices_per_node"),
        described=True,
    )


def _wrong_keys(described: dict[Any, Any]) -> list[ConfigError]:
    known = (*_TEXTS, *_WHOLE, *_RATES)
    errors = []
    for key, value in described.items():
        name = str(key)
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            fix = f"the nearest known key is {near[0]}" if near else "leave it out"
            errors.append(ConfigError(name, value, fix, "unknown key"))
        elif (wanted := _fix(name, value)) is not None:
            errors.append(ConfigError(name, value, wanted))
    errors += [
        ConfigError(key, None, "write it", "is missing")
        for key in _REQUIRED
        if key not in described
    ]
    per_node, devices = described.get("devices_per_node"), described.get("devices")
    if not errors and per_node is not None and devices % per_node and devices > per_node:
        problem = f"{devices} devices do not fill nodes of {per_node}"
        errors.append(ConfigError("devices_per_node", per_node, "use a divisor", problem))
    return errors


def _fix(name: str, value: object) -> str | None:
    """Say what to write instead; None when the value is allowed."""
    if name == "kind":
        return None if value in _KINDS else f"write {' or '.join(_KINDS)}"
    if name in _TEXTS:
        return None if isinstance(value, str) and value.strip() else "write a text"
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if name in _WHOLE:
        if number and isinstance(value, int) and 1 <= value <= _WHOLE[name]:
            return None
        return f"write a whole number from 1 to {_WHOLE[name]}"
    if number and math.isfinite(cast("float", value)) and 0 < cast("float", value) < 1e7:
        return None
    return "write a number above 0"


def _leading(name: str) -> int:
    digits = name.partition("x")[0]
    return int(digits) if digits.isdigit() else 0
