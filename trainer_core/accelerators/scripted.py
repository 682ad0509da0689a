"""Devices from a YAML or JSON file: for tests, the demo and pictures of the screens.

The file has `devices`, a list of `DeviceSnapshot` fields where `count: 8` repeats an entry, and
may have `framework: {current: …, latest: …}`. It is read anew each time, so it may change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from trainer_core.accelerators.base import DeviceKind, DeviceProcess, DeviceSnapshot, Framework
from trainer_core.errors import UserError

FIELDS = frozenset(field.name for field in fields(DeviceSnapshot))
PROCESS_FIELDS = frozenset(field.name for field in fields(DeviceProcess))
DEFAULT_NAMES = {
    "cpu": "Scripted processor",
    "nvidia": "NVIDIA H100 80GB HBM3",
    "amd": "AMD Instinct MI250X",
    "moai": "MoAI Accelerator",
}
KINDS: dict[str, DeviceKind] = {"cpu": "cpu", "nvidia": "nvidia", "amd": "amd", "moai": "moai"}


@dataclass(slots=True)
class ScriptedSource:
    """Reads devices from a file."""

    path: Path
    kind: DeviceKind = "nvidia"
    framework: Framework | None = None
    """Versions from the last reading."""

    def read(self) -> tuple[DeviceSnapshot, ...]:
        """Read the file now.

        Raises:
            UserError: The file cannot be read, or an entry has an unknown or missing field.
        """
        content = self._content()
        framework = content.get("framework")
        if isinstance(framework, Mapping):
            self.framework = Framework(
                current=_text(framework.get("current")), latest=_text(framework.get("latest"))
            )
        entries = content.get("devices")
        if not isinstance(entries, list):
            raise UserError(f"{self.path} has no list `devices`")
        devices: list[DeviceSnapshot] = []
        for entry in entries:
            if not isinstance(entry, dict):
                raise UserError(f"{self.path}: an entry of `devices` is no mapping: {entry!r}")
            for _ in range(int(entry.get("count", 1))):
                devices.append(self._device(entry, len(devices)))
        return tuple(devices)

    def why_absent(self) -> str | None:
        """A script is always there."""
        return None

    def _content(self) -> dict[str, Any]:
        try:
            text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{self.path} cannot be read: {error}") from error
        try:
            content = json.loads(text)
        except ValueError:
            from trainer_core.yaml_text import read_yaml

            content = read_yaml(text, str(self.path))
        if not isinstance(content, dict):
            raise UserError(f"{self.path} is no mapping with a list `devices`")
        return content

    def _device(self, entry: dict[str, Any], index: int) -> DeviceSnapshot:
        values = {name: value for name, value in entry.items() if name != "count"}
        self._refuse_unknown(values, FIELDS)
        kind = KINDS.get(str(values.get("kind", "nvidia")))
        if kind is None:
            raise UserError(f"{self.path}: {values['kind']!r} is none of {', '.join(KINDS)}")
        values |= {"kind": kind, "index": values.get("index", index)}
        values.setdefault("name", DEFAULT_NAMES[kind])
        values.setdefault("uuid", f"GPU-scripted-{index}" if kind != "cpu" else f"cpu-{index}")
        for name in ("cores", "topology", "throttle_reasons"):
            values[name] = tuple(values.get(name, ()))
        values["processes"] = tuple(self._process(item) for item in values.get("processes", ()))
        return DeviceSnapshot(**values)

    def _process(self, entry: Any) -> DeviceProcess:
        if not isinstance(entry, dict) or not isinstance(entry.get("pid"), int):
            raise UserError(f"{self.path}: a process needs at least a `pid`: {entry!r}")
        self._refuse_unknown(entry, PROCESS_FIELDS)
        return DeviceProcess(**entry)

    def _refuse_unknown(self, values: dict[str, Any], known: frozenset[str]) -> None:
        unknown = sorted(set(map(str, values)) - known)
        if unknown:
            raise UserError(f"{self.path}: unknown field {unknown[0]}; known are {sorted(known)}")


def _text(value: object) -> str | None:
    return None if value is None else str(value)
