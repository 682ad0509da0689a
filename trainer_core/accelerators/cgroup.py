"""What a container or a batch job may use of the host: memory and processor time.

Both cgroup versions; every limit of the own group and the groups above it counts, and the
smallest holds. What cannot be read is no limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

HUGE_BYTES = 2**60
"""cgroup v1 writes "no limit" as a number near 2**63."""


def memory_limit_bytes(root: Path = Path("/")) -> int | None:
    """Return the smallest memory limit, None where there is none.

    Args:
        root: Where `proc` and `sys` stand; tests give a folder.
    """
    names = ("memory.max", "memory.limit_in_bytes")
    limits = [_read_number(folder / name) for folder in _folders(root, "memory") for name in names]
    real = [limit for limit in limits if limit is not None and 0 < limit < HUGE_BYTES]
    return min(real, default=None)


def memory_used_bytes(root: Path = Path("/")) -> int | None:
    """Return what the own group uses without file pages that can be dropped; None if unknown."""
    for folder in _folders(root, "memory"):
        names = ("memory.current", "memory.usage_in_bytes")
        used = next((n for name in names if (n := _read_number(folder / name)) is not None), None)
        if used is None:
            continue
        for line in (_read(folder / "memory.stat") or "").splitlines():
            words = line.split()
            if len(words) == 2 and words[0] in ("inactive_file", "total_inactive_file"):
                droppable = _number(words[1]) or 0
                used = max(0, used - droppable)
                break
        return used
    return None


def processor_limit(root: Path = Path("/")) -> float | None:
    """Return the smallest quota in processors (1.5 is one and a half), None without one."""
    limits: list[float] = []
    for folder in _folders(root, "cpu"):
        words = (_read(folder / "cpu.max") or "").split()
        if not words:
            words = [
                _read(folder / "cpu.cfs_quota_us") or "",
                _read(folder / "cpu.cfs_period_us") or "",
            ]
        quota, period = (_number(words[0]), _number(words[1])) if len(words) == 2 else (None, None)
        if quota and period and quota > 0 and period > 0:
            limits.append(quota / period)
    return min(limits, default=None)


def whole_processors(limit: float | None, permitted: int) -> int:
    """Return how many threads make sense under a quota: rounded up, at least one."""
    return permitted if limit is None else max(1, min(permitted, math.ceil(limit)))


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """Yield the own group's folder and all above it, the mount's own last.

    In a container the path in `/proc/self/cgroup` is the host's and need not exist below the
    mount; the mount then shows the own group.
    """
    mount_v1 = root / "sys/fs/cgroup" / controller
    mount_v2 = root / "sys/fs/cgroup"
    for line in (_read(root / "proc/self/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        mount = mount_v2 if number == "0" and not controllers else mount_v1
        if mount is mount_v1 and controller not in controllers.split(","):
            continue
        folder = mount / path.lstrip("/")
        while folder != mount and mount in folder.parents:
            if folder.is_dir():
                yield folder
            folder = folder.parent
    for mount in (mount_v1, mount_v2):
        if mount.is_dir():
            yield mount


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None


def _read_number(path: Path) -> int | None:
    text = _read(path)
    return _number(text) if text else None


def _number(text: str) -> int | None:
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 25 else None
