"""What the environment permits, and the sentence that says so."""

from __future__ import annotations

import pytest

from trainer_core.accelerators.bounds import apply_bounds


def permitted(devices, environ) -> list[int]:
    return [device.index for device in apply_bounds(devices, environ)[0] if device.permitted]


def test_without_bounds_everything_is_permitted_in_silence(cards) -> None:
    devices, notes = apply_bounds(cards(4), {})
    assert all(device.permitted for device in devices)
    assert notes == ()


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("2,3", [2, 3]),
        ("3,1", [1, 3]),
        (" 1 , 2", [1, 2]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("1,9,2", [1]),
        ("1,1,2", [1]),
        ("GPU-00000002", [2]),
        ("gpu-00000003-1111,0", [0, 3]),
        ("GPU-", []),
        ("²", []),
    ],
)
def test_cuda_visible_devices_is_read_as_cuda_reads_it(cards, value, left) -> None:
    assert permitted(cards(4), {"CUDA_VISIBLE_DEVICES": value}) == left


def test_the_bound_is_said_in_words(cards) -> None:
    _, notes = apply_bounds(cards(8), {"CUDA_VISIBLE_DEVICES": "2,3"})
    assert notes == ("CUDA_VISIBLE_DEVICES=2,3 permits devices 2, 3 of 8",)
    _, notes = apply_bounds(cards(8), {"CUDA_VISIBLE_DEVICES": ""})
    assert notes == ("CUDA_VISIBLE_DEVICES= permits none of the 8 devices",)


def test_numbers_on_unlike_cards_are_warned_of(card) -> None:
    devices = [card(0, name="NVIDIA T1000"), card(1)]
    _, notes = apply_bounds(devices, {"CUDA_VISIBLE_DEVICES": "0"})
    assert "name UUIDs to be sure" in notes[1]
    ordered = {"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert len(apply_bounds(devices, ordered)[1]) == 1


def test_hip_counts_what_rocm_left(card) -> None:
    devices = [card(index, kind="amd", name="AMD Instinct MI250X") for index in range(4)]
    assert permitted(devices, {"ROCR_VISIBLE_DEVICES": "2,3", "HIP_VISIBLE_DEVICES": "1"}) == [3]
    assert permitted(devices, {"ROCR_VISIBLE_DEVICES": "1"}) == [1]
    assert permitted(devices, {"CUDA_VISIBLE_DEVICES": "0"}) == [0]
    both = {"HIP_VISIBLE_DEVICES": "1", "CUDA_VISIBLE_DEVICES": "0"}
    assert permitted(devices, both) == [1]


def test_a_slurm_allocation_is_a_bound_where_its_numbers_mean_this_host(cards) -> None:
    environ = {"SLURM_JOB_GPUS": "4-5,7", "SLURM_JOB_ID": "99"}
    devices, notes = apply_bounds(cards(8), environ)
    assert [device.index for device in devices if device.permitted] == [4, 5, 7]
    assert notes == ("Slurm job 99 permits devices 4, 5, 7 of 8",)
    assert permitted(cards(3), environ) == [0, 1, 2], "cgroups already hide the rest"
    assert permitted(cards(8), {**environ, "SLURM_STEP_GPUS": "4"}) == [4]
    assert permitted(cards(8), {**environ, "CUDA_VISIBLE_DEVICES": "0"}) == [0]
    assert permitted(cards(2), {"SLURM_JOB_GPUS": "gpu:h100"}) == [0, 1]


def test_bounds_of_cards_do_not_touch_a_processor(card) -> None:
    devices, notes = apply_bounds([card(kind="cpu")], {"CUDA_VISIBLE_DEVICES": ""})
    assert devices[0].permitted
    assert notes == ()


def test_what_the_source_excluded_stays_excluded(card) -> None:
    assert permitted([card(0, permitted=False), card(1)], {"CUDA_VISIBLE_DEVICES": "0"}) == []
