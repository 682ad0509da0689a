from __future__ import annotations

from pathlib import Path

import pytest

from trainer_core.errors import ConfigErrors, UserError
from trainer_core.plan.machines import load_machine, machine_names, parse_machine

GOOD = {"kind": "nvidia", "device": "NVIDIA H100", "devices": 8, "memory_gb": 80}


def test_every_shipped_machine_loads() -> None:
    assert machine_names() == ("8xh100", "8xh200", "8xmi300x", "16xmi250", "32xmi250", "192xmi250")
    for name in machine_names():
        machine = load_machine(name)
        assert machine.described
        assert machine.matmul_flops
        assert machine.memory_bandwidth
        assert machine.link_bandwidth
        assert 0.9 < machine.memory_bytes / (machine.device_memory_gb * 2**30) < 1


def test_an_mi250_is_two_devices() -> None:
    machine = load_machine("16xmi250")
    assert (machine.devices, machine.devices_per_node, machine.device_memory_gb) == (32, 8, 64)
    assert load_machine("192xmi250").devices == 384


def test_a_file_describes_a_machine_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(
        "kind: nvidia\ndevice: Prototype\ndevices: 4\nmemory_gb: 96\nbf16_tflops: 500\n"
        "usable_memory_gib: 94\nlink_gb_per_second: 1e2\n"
    )
    machine = load_machine(path)
    assert machine.name == "4 × Prototype"
    assert machine.matmul_flops == 500e12
    assert machine.link_bandwidth == 100e9
    assert machine.memory_bandwidth is None


def test_all_nonsense_is_named_at_once() -> None:
    with pytest.raises(ConfigErrors) as caught:
        parse_machine(
            {"kind": "tpu", "devices": 0, "memory_gb": 80, "bf16_tflop": 5, "fp32_tflops": -1},
            origin="x.yaml",
        )
    assert str(caught.value).split("\n") == [
        "kind: 'tpu' cannot be used; write nvidia or amd or cpu",
        "devices: 0 cannot be used; write a whole number from 1 to 4096",
        "bf16_tflop: unknown key; the nearest known key is bf16_tflops",
        "fp32_tflops: -1 cannot be used; write a number above 0",
        "device: is missing; write it",
    ]


def test_devices_must_fill_their_nodes() -> None:
    with pytest.raises(ConfigErrors, match="10 devices do not fill nodes of 4"):
        parse_machine({**GOOD, "devices": 10, "devices_per_node": 4}, origin="x")


@pytest.mark.parametrize("described", [None, [1], "text"])
def test_what_is_no_description_is_one_sentence(described: object) -> None:
    with pytest.raises(UserError, match="holds no settings"):
        parse_machine(described, origin="x.yaml")


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(UserError) as caught:
        load_machine("8xh101")
    assert str(caught.value) == "8xh101: no such machine or file; machines: 8xh100"
