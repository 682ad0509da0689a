"""Where a card hangs: NUMA node, root, bridges."""

from __future__ import annotations

from pathlib import Path

from trainer_core.accelerators.pci import topology


def test_the_kernels_tree_is_read_outermost_first(tmp_path: Path) -> None:
    place = "devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0"
    card = tmp_path / place
    card.mkdir(parents=True)
    (card / "numa_node").write_text("1\n")
    links = tmp_path / "bus/pci/devices"
    links.mkdir(parents=True)
    (links / "0000:3b:00.0").symlink_to(card)
    assert topology("0000:3b:00.0", tmp_path) == ("numa1", "pci0000:3a", "0000:3a:00.0")


def test_a_card_the_kernel_does_not_show_hangs_nowhere(tmp_path: Path) -> None:
    assert topology("0000:3b:00.0", tmp_path) == ()
    (tmp_path / "bus/pci/devices/0000:3b:00.0").mkdir(parents=True)
    assert topology("0000:3b:00.0", tmp_path) == (), "no NUMA node is told"
