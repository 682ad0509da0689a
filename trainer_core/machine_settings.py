"""What whoever runs this machine settled for all of its users: `/etc/moai-tui/config.yaml`.

Limits that say so when they bite ("set by this machine's settings"), devices that are never
offered, and defaults that stand under each user's own settings. A file that cannot be used sets
nothing and is one sentence.

    limits:
      size: xLarge          # the largest accelerator of one run
      time: 8h              # of one run
      users:
        bob: {size: Large, time: 2d}
    devices:
      never: [0, GPU-1b2c]  # number or beginning of a UUID
    storage: {runs: /scratch/moai}
    worker: {python: /opt/torch/bin/python}
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from trainer_core.errors import UserError

SETTINGS_FILE = Path("/etc/moai-tui/config.yaml")
SAYS_WHO = "set by this machine's settings"
LIMITS, DEVICES = "limits", "devices"


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineSettings:
    """The limits of one user, and the defaults of everybody."""

    largest_size: str | None = None
    """Name of the largest size a run may have, as written."""
    time_limit: str | None = None
    """Longest time a run may take, as written: `8h`."""
    never: tuple[str, ...] = ()
    """Devices that are offered to nobody: number, or beginning of a UUID."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """The rest of the file: settings under the user's own."""
    notes: tuple[str, ...] = ()
    """What of the file cannot be used, one sentence each."""


def machine_settings(path: Path | None = None, user: str | None = None) -> MachineSettings:
    """Return what holds for a user; read again only when the file changed.

    Args:
        path: None is `SETTINGS_FILE`, which is usually not there: that costs one look.
        user: Login name; None is this process's.
    """
    path = SETTINGS_FILE if path is None else path
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return MachineSettings()
    return _read(path, changed, _user_name() if user is None else user)


@lru_cache(maxsize=8)
def _read(path: Path, changed: int, user: str) -> MachineSettings:
    from trainer_core.yaml_text import read_yaml_file

    try:
        content = read_yaml_file(path)
    except UserError as error:
        return MachineSettings(notes=(f"{error}; none of this machine's settings hold",))
    if not isinstance(content, dict):
        return MachineSettings(notes=(f"{path}: use `key: value` lines; nothing of it holds",))
    notes: list[str] = []
    limits = _mapping(content.get(LIMITS), f"{path}: {LIMITS}", notes)
    users = _mapping(limits.get("users"), f"{path}: {LIMITS}.users", notes)
    own = _mapping(users.get(user), f"{path}: {LIMITS}.users.{user}", notes)
    devices = _mapping(content.get(DEVICES), f"{path}: {DEVICES}", notes)
    never = devices.get("never", [])
    if not isinstance(never, list):
        notes.append(f"{path}: devices.never is no list; write [0, 1]")
        never = []
    return MachineSettings(
        largest_size=_text(own.get("size", limits.get("size"))),
        time_limit=_text(own.get("time", limits.get("time"))),
        never=tuple(str(entry) for entry in never),
        defaults={key: value for key, value in content.items() if key not in (LIMITS, DEVICES)},
        notes=tuple(notes),
    )


def _mapping(value: object, place: str, notes: list[str]) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        notes.append(f"{place} holds no names; indent `name: value` below it")
        return {}
    return {str(key): entry for key, entry in value.items()}


def _text(value: object) -> str | None:
    return None if value is None else str(value).strip() or None


def _user_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
