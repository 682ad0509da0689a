"""A card that cannot be used is never replaced by the CPU in silence."""

from __future__ import annotations

import os
import warnings

import pytest
import torch

from trainer_core.accelerators import inventory
from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.engine import device as device_module
from trainer_core.errors import UserError

CARD = DeviceSnapshot(
    uuid="GPU-1", index=0, kind="nvidia", name="NVIDIA H100 80GB HBM3", driver_version="535.104.05"
)


@pytest.fixture
def unusable(monkeypatch):
    def is_available():
        warnings.warn("The NVIDIA driver on your system is too old\nmore", stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_an_unusable_card_is_one_sentence_with_both_versions(unusable, monkeypatch):
    monkeypatch.setattr(
        inventory, "read_devices", lambda: inventory.Inventory(devices=(CARD,), notes=())
    )
    with pytest.raises(UserError) as caught:
        device_module.choose_device(0)
    sentence = str(caught.value)
    for part in ("H100", "535.104.05", torch.__version__, "too old", "worker.python"):
        assert part in sentence
    assert "\n" not in sentence


def test_a_host_without_cards_computes_on_its_cpu(unusable, monkeypatch):
    monkeypatch.setattr(
        inventory, "read_devices", lambda: inventory.Inventory(devices=(), notes=())
    )
    assert device_module.choose_device(0).type == "cpu"


def test_no_visible_card_means_the_cpu_was_chosen(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: 1 / 0)
    assert device_module.choose_device(3).type == "cpu"


@pytest.mark.parametrize(("seen", "rank", "index"), [(1, 2, 0), (4, 2, 2)])
def test_a_rank_takes_its_own_card(seen, rank, index, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: seen)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    assert device_module.choose_device(rank) == torch.device("cuda", index)


def test_threads_as_configured_then_as_the_environment_says(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert device_module.set_threads(None, local_ranks=1) == 1
    assert torch.get_num_threads() == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(device_module, "physical_cores", lambda: 8)
    assert device_module.set_threads(None, local_ranks=4) == 2
    assert device_module.set_threads(None, local_ranks=16) == 1
    assert device_module.set_threads(1, local_ranks=1) == 1


def test_a_rank_stays_on_its_share_of_the_cores(monkeypatch):
    pinned = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: pinned.append(cores))
    monkeypatch.delenv("MOAI_TUI_CORES", raising=False)
    device_module.pin_to_cores()
    monkeypatch.setenv("MOAI_TUI_CORES", "0,1")
    device_module.pin_to_cores()
    assert pinned == [{0, 1}]


def test_ranks_draw_differently_and_each_alike_every_time():
    draws = []
    for seed, rank in ((1, 0), (1, 1), (1, 0), (2, 0)):
        device_module.make_repeatable(seed, rank, torch.device("cpu"))
        draws.append(float(torch.rand(())))
    assert draws[0] == draws[2]
    assert len(set(draws)) == 3
