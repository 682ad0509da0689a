"""Why an AMD card is slowed, from the table the driver keeps of it (`gpu_metrics`).

Cards up to the MI250 say it there. An MI300 and newer count how long they were slowed and not
what slows them now; for them nothing is told.
Source: https://docs.kernel.org/gpu/amdgpu/thermal.html and the kernel's kgd_pp_interface.h
"""

from __future__ import annotations

import struct

HEADER = struct.Struct("<HBB")
"""Size of the table, and the numbers of its format and of its content."""

FORMAT, CONTENT = 1, 3
"""The only version with causes that mean the same on every card."""

CAUSES = struct.Struct("<Q")
CAUSES_AT = 112
"""Where they stand in the table, in bytes."""

REASONS = ((range(8), "power limit"), (range(16, 24), "current limit"), (range(32, 48), "hot"))
"""Groups of bits, and what each means. Source: the kernel's amdgpu_smu.h"""


def throttle_reasons(table: bytes) -> tuple[str, ...]:
    """Return why a card is slowed now, a few words each; empty where that is not told."""
    if len(table) < CAUSES_AT + CAUSES.size:
        return ()
    size, form, content = HEADER.unpack_from(table)
    (causes,) = CAUSES.unpack_from(table, CAUSES_AT)
    unknown = causes == 2**64 - 1  # what the driver writes where a card does not say
    if (form, content) != (FORMAT, CONTENT) or size > len(table) or unknown:
        return ()
    return tuple(word for bits, word in REASONS if any(causes >> bit & 1 for bit in bits))
