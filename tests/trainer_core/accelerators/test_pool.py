"""The user's accelerators live between calls and stay within the machine."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from trainer_core import folders
from trainer_core.accelerators.base import Size
from trainer_core.accelerators.pool import AcceleratorPool
from trainer_core.errors import UserError


def stored() -> Path:
    return folders.state_root() / "accelerators.yaml"


def labels(pool: AcceleratorPool) -> list[str]:
    return [("*" if row.current else "") + row.size.label for row in pool.accelerators]


def test_a_new_user_has_one_small_current_accelerator(cards) -> None:
    pool = AcceleratorPool.load(cards(8))
    assert labels(pool) == ["*Small.80GB"]
    assert pool.current.index == 0
    assert not stored().exists(), "looking changes nothing"


def test_rows_are_added_switched_and_removed_and_come_back(cards) -> None:
    pool = AcceleratorPool.load(cards(8)).add(Size(devices=8, device_memory_gb=80))
    assert labels(pool) == ["*Small.80GB", "xLarge.640GB"]
    pool = pool.switch(1)
    assert labels(AcceleratorPool.load(cards(8))) == ["Small.80GB", "*xLarge.640GB"]
    pool = pool.switch(1, Size(devices=2, device_memory_gb=80))
    assert labels(AcceleratorPool.load(cards(8))) == ["Small.80GB", "*Medium.160GB"]
    pool = pool.remove(1)
    assert labels(AcceleratorPool.load(cards(8))) == ["*Small.80GB"]
    assert [row.index for row in pool.accelerators] == [0]


def test_the_file_is_the_users_alone_and_yaml(cards) -> None:
    AcceleratorPool.load(cards(2)).add(Size(devices=2, device_memory_gb=80))
    assert stat.S_IMODE(stored().stat().st_mode) == 0o600
    stored().write_text("# mine\ncurrent: 1\naccelerators:\n- Medium\n- small\n")
    assert labels(AcceleratorPool.load(cards(2))) == ["Medium.160GB", "*Small.80GB"]
    assert [name for name in os.listdir(stored().parent) if name.startswith(".acc")] == []


def test_no_more_rows_than_devices(cards) -> None:
    small = Size(devices=1, device_memory_gb=80)
    pool = AcceleratorPool.load(cards(2)).add(small)
    with pytest.raises(UserError, match="already 2 accelerators on 2 devices; remove one first"):
        pool.add(small)


def test_a_size_the_machine_cannot_form_is_refused_with_the_reason(cards) -> None:
    pool = AcceleratorPool.load(cards(2))
    wanted = "Large.320GB needs 4 devices, this machine has 2 devices; choose a smaller size"
    for change in (pool.add, lambda size: pool.switch(0, size)):
        with pytest.raises(UserError, match=wanted):
            change(Size(devices=4, device_memory_gb=80))
    assert not stored().exists()


def test_unknown_rows_and_the_last_row_stay(cards) -> None:
    pool = AcceleratorPool.load(cards(2))
    with pytest.raises(UserError, match="no accelerator 3; choose one of 0"):
        pool.switch(3)
    with pytest.raises(UserError, match="last accelerator cannot be removed"):
        pool.remove(0)


@pytest.mark.parametrize(
    "text", ["{", "accelerators: []", "accelerators: [Giant]", "- 1", "\xff", "", "[" * 100_000]
)
def test_a_broken_file_is_one_sentence_with_its_path(cards, text) -> None:
    stored().parent.mkdir(parents=True)
    stored().write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"accelerators.yaml cannot be (used|read).*mend"):
        AcceleratorPool.load(cards(1))


def test_a_wrong_current_row_falls_back_to_the_first(cards) -> None:
    stored().parent.mkdir(parents=True)
    stored().write_text("accelerators: [Small, Small]\ncurrent: 7\n")
    assert AcceleratorPool.load(cards(2)).current.index == 0


def test_on_the_platform_the_rows_are_the_platforms(card) -> None:
    rows = [
        card(0, kind="moai", name="MoAI Accelerator", model="4xLarge.2048GB"),
        card(1, kind="moai", name="MoAI Accelerator", model="Medium.128GB", current=True),
        card(2, kind="moai", name="MoAI Accelerator", model=None),
    ]
    pool = AcceleratorPool.load(rows)
    assert labels(pool) == ["4xLarge.2048GB", "*Medium.128GB", "Small.64GB"]
    assert pool.limit == 5
    with pytest.raises(UserError, match="moreh-switch-model"):
        pool.add(Size(devices=1, device_memory_gb=64))


def test_an_unwritable_home_is_one_sentence(cards, monkeypatch, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    pool = AcceleratorPool.load(cards(2))
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "file" / "below"))
    with pytest.raises(UserError, match=r"cannot be written .*MOAI_TUI_HOME"):
        pool.add(Size(devices=1, device_memory_gb=80))
