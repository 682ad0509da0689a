"""Round figures, names and what can be formed."""

from __future__ import annotations

import pytest

from trainer_core.accelerators.base import GIB, Size
from trainer_core.accelerators.sizes import (
    device_memory_gb,
    formable_devices,
    parse_label,
    parse_size,
    round_memory_gb,
    size_from_text,
    sizes_for,
    why_not,
)
from trainer_core.errors import ConfigError

MIB = 2**20
PLATFORM = [
    "Small.64GB",
    "Medium.128GB",
    "Large.256GB",
    "xLarge.512GB",
    "1.5xLarge.768GB",
    "2xLarge.1024GB",
    "3xLarge.1536GB",
    "4xLarge.2048GB",
    "6xLarge.3072GB",
    "8xLarge.4096GB",
    "12xLarge.6144GB",
    "24xLarge.12288GB",
    "48xLarge.24576GB",
]


def test_sizes_of_64_gb_devices_are_the_platforms_thirteen() -> None:
    assert [size.label for size in sizes_for(64)] == PLATFORM


@pytest.mark.parametrize(
    ("name", "mib", "gb"),
    [
        ("NVIDIA H100 80GB HBM3", 81559, 80),
        ("NVIDIA A100-SXM4-40GB", 40960, 40),
        ("NVIDIA H200", 143771, 141),
        ("NVIDIA H100 NVL", 95830, 94),
        ("NVIDIA L40S", 46068, 48),
        ("NVIDIA L4", 23034, 24),
        ("Tesla T4", 15360, 16),
        ("NVIDIA GeForce RTX 4090", 24564, 24),
        ("NVIDIA A100 80GB PCIe MIG 1g.10gb", 9728, 10),
        ("NVIDIA B200", 183359, 180),
        ("AMD Instinct MI250X", 65520, 64),
        ("AMD Instinct MI300X", 196592, 192),
        ("An unheard-of card", 37 * 1024, 40),
        ("Another", 70 * 1024, 70),
    ],
)
def test_the_vendors_round_figure_is_found(card, name, mib, gb) -> None:
    assert round_memory_gb(card(name=name, total_memory_bytes=mib * MIB)) == gb


def test_a_processor_counts_its_gib(card) -> None:
    assert round_memory_gb(card(kind="cpu", name="CPU", total_memory_bytes=int(23.6 * GIB))) == 24
    assert round_memory_gb(card(kind="cpu", name="CPU", total_memory_bytes=GIB // 4)) == 1


@pytest.mark.parametrize("total", [None, 0, -5])
def test_unknown_memory_is_unknown(card, total) -> None:
    assert round_memory_gb(card(name="X", total_memory_bytes=total)) is None
    assert device_memory_gb([card(name="X", total_memory_bytes=total)]) == 1


def test_among_unlike_cards_the_commonest_figure_counts(card) -> None:
    small = card(0, name="GeForce", total_memory_bytes=24564 * MIB)
    assert device_memory_gb([small, card(1), card(2)]) == 80
    assert device_memory_gb([small, card(1)]) == 24
    assert device_memory_gb([small, card(1, permitted=False)]) == 24


@pytest.mark.parametrize("text", ["Small", "small", " SMALL ", "Small.80GB", "small.80gb"])
def test_a_size_is_read_in_any_case_with_or_without_memory(card, text) -> None:
    assert size_from_text(text, [card()]) == Size(devices=1, device_memory_gb=80)


@pytest.mark.parametrize("text", ["", "Tiny", "9", "Small.64GB", "xLarge.80GB", "Small.80GB.80GB"])
def test_a_wrong_size_is_one_sentence_with_the_way_out(text) -> None:
    with pytest.raises(ConfigError, match=r"^size: .+; (use one of Small, |here this size is)"):
        parse_size(text, 80)


@pytest.mark.parametrize("label", PLATFORM)
def test_platform_labels_are_read_back(label) -> None:
    size = parse_label(label)
    assert size is not None
    assert size.label == label


@pytest.mark.parametrize("text", ["", "-", "flavor-default-8", "Small", "Small.0GB", "x.64GB"])
def test_what_is_no_label_is_none(text) -> None:
    assert parse_label(text) is None


def test_why_a_size_cannot_be_formed(cards, card) -> None:
    assert why_not(Size(devices=2, device_memory_gb=80), cards(2)) is None
    lost = [*cards(1), card(1, error="GPU 1 lost"), card(2, permitted=False)]
    assert formable_devices(lost) == 1
    assert why_not(Size(devices=2, device_memory_gb=80), lost) == (
        "needs 2 devices, this machine has 1 device (2 more not permitted or lost)"
    )
    platform = [card(kind="moai", model="Small.64GB")]
    assert why_not(Size(devices=384, device_memory_gb=64), platform) is None
