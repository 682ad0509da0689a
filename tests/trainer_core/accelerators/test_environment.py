"""What a rank finds in its environment."""

from __future__ import annotations

import os

from trainer_core.accelerators.environment import rank_environment


def test_every_rank_sees_all_cards_of_its_run_by_uuid_in_order(cards) -> None:
    devices = [cards(4)[3], cards(4)[1]]
    for rank in range(2):
        variables = rank_environment(devices, rank)
        assert variables["CUDA_VISIBLE_DEVICES"] == "GPU-00000003-1111,GPU-00000001-1111"
        assert variables["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_a_slice_is_alone_in_its_process(card) -> None:
    devices = [card(0, uuid="MIG-a"), card(1, uuid="MIG-b")]
    assert rank_environment(devices, 1)["CUDA_VISIBLE_DEVICES"] == "MIG-b"


def test_a_card_without_uuid_is_named_by_number(card) -> None:
    assert rank_environment([card(2, uuid="nvidia-2")], 0)["CUDA_VISIBLE_DEVICES"] == "2"


def test_amd_cards_are_cut_out_once_and_counted_from_zero(card) -> None:
    devices = [card(2, kind="amd", uuid="GPU-abc"), card(3, kind="amd", uuid="0000:83:00.0")]
    variables = rank_environment(devices, 0)
    assert variables["ROCR_VISIBLE_DEVICES"] == "GPU-abc,3"
    assert variables["HIP_VISIBLE_DEVICES"] == "0,1"


def test_a_rank_on_a_processor_sees_no_card_and_has_its_cores(card) -> None:
    devices = [card(0, kind="cpu", cores=(0, 1, 2)), card(1, kind="cpu", cores=(3, 4, 5))]
    assert rank_environment(devices, 1) == {
        "CUDA_VISIBLE_DEVICES": "",
        "HIP_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "3",
        "MKL_NUM_THREADS": "3",
        "MOAI_TUI_CORES": "3,4,5",
    }
    assert rank_environment(devices, 1, threads=1)["OMP_NUM_THREADS"] == "1"


def test_ranks_beside_cards_share_the_permitted_cores(cards, monkeypatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(12)))
    assert rank_environment(cards(4), 0)["OMP_NUM_THREADS"] == "3"
    assert rank_environment(cards(1), 0)["OMP_NUM_THREADS"] == "12"
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(2)))
    assert rank_environment(cards(8), 0)["OMP_NUM_THREADS"] == "1"


def test_a_platform_device_is_named_as_the_platform_does(card) -> None:
    variables = rank_environment([card(1, kind="moai", uuid="moai-1")], 0)
    assert variables["MOREH_VISIBLE_DEVICE"] == "1"
