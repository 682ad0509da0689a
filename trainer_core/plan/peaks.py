"""What vendors say their devices can do: dense matrix rates, memory and link bandwidths."""

from __future__ import annotations

import re
from dataclasses import dataclass

CPU_CORE_FLOPS = 80.5e9
"""fp32 matrix products on one core. Measured on Zen 3 with AVX2, torch 2.13, November 2026;
a core with AVX-512 does more."""

CPU_MEMORY_BANDWIDTH = 20e9
"""Bytes per second of one socket's share that a laptop surely has."""

CPU_LINK_BANDWIDTH = 2e9
"""Bytes per second between two ranks of one host through gloo on loopback."""


@dataclass(frozen=True, slots=True)
class DevicePeaks:
    """Vendor figures of one device."""

    bf16_flops: float | None
    """Dense, without sparsity; None where the device has no bf16 units."""
    fp32_flops: float
    memory_bandwidth: float
    """Bytes per second."""
    link_bandwidth: float
    """Bytes per second to its neighbours in the same machine, one direction."""


# Sources: the vendors' data sheets of each product, dense figures. An MI250 shows itself as two
# devices, so its row is half a card.
_PEAKS: tuple[tuple[str, DevicePeaks], ...] = (
    (r"\bB200\b|\bGB200\b", DevicePeaks(2250e12, 75e12, 8.0e12, 900e9)),
    (r"\bH200\b|\bGH200\b", DevicePeaks(989e12, 67e12, 4.8e12, 450e9)),
    (r"\bH100\b.*PCIe|H100 PCIe", DevicePeaks(756e12, 51e12, 2.0e12, 64e9)),
    (r"\bH100\b.*NVL", DevicePeaks(835e12, 60e12, 3.9e12, 300e9)),
    (r"\bH100\b|\bH800\b", DevicePeaks(989e12, 67e12, 3.35e12, 450e9)),
    (r"\bH20\b", DevicePeaks(148e12, 44e12, 4.0e12, 450e9)),
    (r"\bA100\b|\bA800\b", DevicePeaks(312e12, 19.5e12, 2.0e12, 300e9)),
    (r"\bA40\b|\bA6000\b", DevicePeaks(150e12, 37e12, 0.7e12, 32e9)),
    (r"\bA30\b", DevicePeaks(165e12, 10.3e12, 0.93e12, 32e9)),
    (r"\bA10G?\b", DevicePeaks(125e12, 31e12, 0.6e12, 32e9)),
    (r"\bL40S\b", DevicePeaks(362e12, 91e12, 0.86e12, 32e9)),
    (r"\bL40\b", DevicePeaks(181e12, 90e12, 0.86e12, 32e9)),
    (r"\bL4\b", DevicePeaks(121e12, 30e12, 0.3e12, 32e9)),
    (r"RTX 5090", DevicePeaks(209e12, 105e12, 1.79e12, 64e9)),
    (r"RTX 4090", DevicePeaks(165e12, 82e12, 1.0e12, 32e9)),
    (r"RTX 3090", DevicePeaks(71e12, 35e12, 0.93e12, 32e9)),
    (r"\bV100\b", DevicePeaks(None, 15.7e12, 0.9e12, 150e9)),
    (r"\bT4\b", DevicePeaks(None, 8.1e12, 0.3e12, 16e9)),
    (r"MI355X", DevicePeaks(2500e12, 157e12, 8.0e12, 538e9)),
    (r"MI325X", DevicePeaks(1307e12, 163e12, 6.0e12, 448e9)),
    (r"MI300X", DevicePeaks(1307e12, 163e12, 5.3e12, 448e9)),
    (r"MI300A", DevicePeaks(981e12, 122e12, 5.3e12, 384e9)),
    (r"MI250X", DevicePeaks(191e12, 47.9e12, 1.6e12, 100e9)),
    (r"MI250\b", DevicePeaks(181e12, 45.3e12, 1.6e12, 100e9)),
    (r"MI210\b", DevicePeaks(181e12, 45.3e12, 1.6e12, 100e9)),
    (r"MI100\b", DevicePeaks(92e12, 46e12, 1.2e12, 64e9)),
)


def peaks_of(device_name: str) -> DevicePeaks | None:
    """Return a device's vendor figures by its marketing name; None where it is not known."""
    for pattern, peaks in _PEAKS:
        if re.search(pattern, device_name, re.IGNORECASE):
            return peaks
    return None


def dense_bf16_peak(device_name: str) -> float | None:
    """Return the rate MFU is taken against, in operations per second; None where not known."""
    peaks = peaks_of(device_name)
    return peaks.bf16_flops if peaks else None
