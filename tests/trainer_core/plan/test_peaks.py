from __future__ import annotations

import pytest

from trainer_core.plan.peaks import dense_bf16_peak, peaks_of


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H200", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA A10", 125e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA GeForce RTX 4090", 165e12),
        ("AMD Instinct MI250", 181e12),
        ("AMD Instinct MI250X / MI250", 191e12),
        ("AMD Instinct MI300X", 1307e12),
        ("Tesla V100-SXM2-16GB", None),
        ("Tesla T4", None),
        ("GeForce GTX 1080", None),
        ("AMD EPYC 7713", None),
    ],
)
def test_a_device_is_known_by_its_marketing_name(name: str, peak: float | None) -> None:
    assert dense_bf16_peak(name) == peak


def test_every_known_device_has_all_figures() -> None:
    for name in ("NVIDIA H100 80GB HBM3", "AMD Instinct MI250", "Tesla T4"):
        peaks = peaks_of(name)
        assert peaks is not None
        assert min(peaks.fp32_flops, peaks.memory_bandwidth, peaks.link_bandwidth) > 0
