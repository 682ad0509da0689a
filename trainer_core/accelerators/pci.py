"""Where a card hangs in the host, from the kernel's tree of PCI bridges."""

from __future__ import annotations

import re
from pathlib import Path


def topology(address: str, sys_root: Path = Path("/sys")) -> tuple[str, ...]:
    """Return NUMA node, PCI root and bridges above a card, outermost first.

    Args:
        address: As the kernel writes it, `0000:3b:00.0`.
        sys_root: Where sysfs is mounted; tests give a folder.

    Returns:
        Empty where the kernel does not show the card, as in some containers.
    """
    folder = sys_root / "bus/pci/devices" / address
    try:
        path = folder.resolve(strict=True)
        node = (folder / "numa_node").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError, RuntimeError):
        return ()
    bridges = [part for part in path.parts[:-1] if re.match(r"pci[0-9a-f]{4}:|[0-9a-f]{4}:", part)]
    return (f"numa{node}", *bridges)
