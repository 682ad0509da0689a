"""NVIDIA cards through a driver that refuses, loses cards and talks nonsense."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from trainer_core.accelerators import nvidia
from trainer_core.accelerators.nvidia import NvidiaSource

FIXTURES = Path(__file__).parent / "fixtures"


def fixture_module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FIXTURES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fake = fixture_module("fake_pynvml")
recorded = fixture_module("recorded_nvml")

FIGURES = {
    "nvmlDeviceGetMemoryInfo": ("total_memory_bytes", "memory_used_bytes"),
    "nvmlDeviceGetUtilizationRates": ("utilization_percent", "memory_utilization_percent"),
    "nvmlDeviceGetTemperature": ("temperature_celsius",),
    "nvmlDeviceGetFieldValues": ("memory_temperature_celsius",),
    "nvmlDeviceGetPowerUsage": ("power_watts",),
    "nvmlDeviceGetEnforcedPowerLimit": ("power_limit_watts",),
    "nvmlDeviceGetClockInfo": ("clock_mhz",),
}


def source(*gpus: object, tmp_path: Path = Path("/nonexistent"), **more: object) -> NvidiaSource:
    return NvidiaSource(nvml=fake.FakeDriver(*gpus, **more), sys_root=tmp_path)


def test_a_healthy_card_tells_everything() -> None:
    (device,) = source(fake.gpu(0)).read()
    assert device.uuid == "GPU-00000000-aaaa"
    assert device.name == "NVIDIA H100 80GB HBM3"
    assert device.total_memory_bytes == 81559 * 2**20
    assert device.memory_used_bytes == 600 * 2**20
    assert device.utilization_percent == 35
    assert device.memory_utilization_percent == 7
    assert device.temperature_celsius == 36
    assert device.memory_temperature_celsius == 43
    assert device.power_watts == 71.5
    assert device.power_limit_watts == 700
    assert device.clock_mhz == 1980
    assert device.driver_version == "550.54.15"
    assert device.location == "0000:10:00.0"
    assert device.error is None
    assert not device.processes_hidden


@pytest.mark.parametrize("getter", FIGURES)
@pytest.mark.parametrize("refusal", [fake.NVMLError(3), AttributeError("old"), ValueError("x")])
def test_what_the_driver_refuses_is_unknown_and_the_rest_stays(getter, refusal) -> None:
    (device,) = source(fake.gpu(0, **{getter: refusal})).read()
    for name in FIGURES[getter]:
        assert getattr(device, name) is None
    others = [name for key, names in FIGURES.items() if key != getter for name in names]
    assert all(getattr(device, name) is not None for name in others)
    assert device.error is None


@pytest.mark.parametrize(
    ("getter", "value"),
    [
        ("nvmlDeviceGetMemoryInfo", SimpleNamespace(total=0, used=2**64 - 1)),
        ("nvmlDeviceGetMemoryInfo", SimpleNamespace(total=2**63, used=-1)),
        ("nvmlDeviceGetUtilizationRates", SimpleNamespace(gpu=2**32 - 1, memory=101)),
        ("nvmlDeviceGetTemperature", 4_000_000),
        ("nvmlDeviceGetFieldValues", []),
        ("nvmlDeviceGetPowerUsage", 2**31),
        ("nvmlDeviceGetEnforcedPowerLimit", 0),
        ("nvmlDeviceGetClockInfo", float("nan")),
    ],
)
def test_absurd_figures_are_unknown(getter, value) -> None:
    (device,) = source(fake.gpu(0, **{getter: value})).read()
    assert [getattr(device, name) for name in FIGURES[getter]] == [None] * len(FIGURES[getter])


def test_a_lost_card_keeps_its_row_its_name_and_says_so() -> None:
    nvml = source(fake.gpu(0), fake.gpu(1))
    nvml.read()
    lost = fake.NVMLError(15, "GPU is lost")
    nvml.nvml.gpus[1] = lost
    healthy, gone = nvml.read()
    assert healthy.error is None
    assert gone.error == "GPU 1 lost: GPU is lost"
    assert gone.uuid == "GPU-00000001-aaaa", "remembered from before"
    assert gone.index == 1
    assert gone.memory_used_bytes is None


def test_a_card_lost_in_the_middle_of_a_reading_says_so() -> None:
    lost = fake.NVMLError(15, "GPU is lost")
    (device,) = source(fake.gpu(0, nvmlDeviceGetPowerUsage=lost)).read()
    assert device.error == "GPU 0 lost: GPU is lost"


def test_slices_stand_in_place_of_their_card() -> None:
    refused = fake.NVMLError(4, "Insufficient Permissions")
    pieces = [
        fake.gpu(
            0,
            nvmlDeviceGetUUID=f"MIG-{letter}",
            nvmlDeviceGetName="NVIDIA A100 80GB PCIe MIG 1g.10gb",
            nvmlDeviceGetUtilizationRates=refused,
            nvmlDeviceGetPowerUsage=refused,
        )
        for letter in "ab"
    ]
    card = fake.gpu(0, nvmlDeviceGetMigMode=[1, 1], slices=pieces)
    devices = source(card, fake.gpu(1)).read()
    assert [device.uuid for device in devices] == ["MIG-a", "MIG-b", "GPU-00000001-aaaa"]
    assert [device.index for device in devices] == [0, 1, 2]
    assert devices[1].location == "0000:10:00.0:mig1"
    assert devices[0].utilization_percent is None
    assert devices[0].temperature_celsius == 36, "the card's sensor"


def test_a_card_with_mig_off_is_one_device() -> None:
    devices = source(fake.gpu(0, nvmlDeviceGetMigMode=[0, 0])).read()
    assert [device.uuid for device in devices] == ["GPU-00000000-aaaa"]


def test_processes_have_user_and_command_and_unseen_ones_are_counted() -> None:
    mine = SimpleNamespace(pid=os.getpid(), usedGpuMemory=5 * 2**20)
    mine_again = SimpleNamespace(pid=os.getpid(), usedGpuMemory=None)
    elsewhere = SimpleNamespace(pid=2**22 + 7, usedGpuMemory=2**64 - 1)
    running = [mine, mine_again, elsewhere]
    (device,) = source(fake.gpu(0, nvmlDeviceGetComputeRunningProcesses=running)).read()
    (process,) = device.processes
    assert process.pid == os.getpid()
    assert process.memory_used_bytes == 5 * 2**20
    assert process.user
    assert process.command
    assert device.processes_hidden


@pytest.mark.parametrize("text", [b"NVIDIA H100", "NVIDIA H100\0"])
def test_old_bindings_that_answer_in_bytes_are_understood(text) -> None:
    (device,) = source(fake.gpu(0, nvmlDeviceGetName=text)).read()
    assert device.name == "NVIDIA H100"


def test_topology_is_the_kernels(tmp_path: Path) -> None:
    card = tmp_path / "devices/pci0000:00/0000:10:00.0"
    card.mkdir(parents=True)
    (card / "numa_node").write_text("0")
    (tmp_path / "bus/pci/devices").mkdir(parents=True)
    (tmp_path / "bus/pci/devices/0000:10:00.0").symlink_to(card)
    (device,) = source(fake.gpu(0), tmp_path=tmp_path).read()
    assert device.topology == ("numa0", "pci0000:00")


def test_a_driver_that_does_not_start_is_one_sentence() -> None:
    mismatch = fake.NVMLError(18, "Driver/library version mismatch")
    nvml = source(fake.gpu(0), init=mismatch)
    assert nvml.read() == ()
    assert nvml.why_absent() == "NVIDIA: Driver/library version mismatch"
    assert nvml.driver_facts().driver_version is None
    nvml.nvml.init = None
    assert len(nvml.read()) == 1, "it is asked again"
    assert nvml.why_absent() is None


def test_a_driver_without_cards_says_so() -> None:
    nvml = source()
    assert nvml.read() == ()
    assert "sees no card" in (nvml.why_absent() or "")


def test_the_driver_states_its_versions() -> None:
    facts = source(fake.gpu(0)).driver_facts()
    assert (facts.driver_version, facts.cuda_version) == ("550.54.15", "12.4")


def test_without_the_drivers_library_its_binding_is_not_imported(monkeypatch) -> None:
    monkeypatch.setattr(nvidia, "DRIVER_LIBRARY", "libnothing-here.so.1")
    nvml = NvidiaSource()
    assert nvml.read() == ()
    assert nvml.nvml is None
    assert nvml.why_absent() == "NVIDIA: no driver (libnothing-here.so.1 not found)"


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to build the driver with")
@pytest.mark.parametrize("lost", [False, True])
def test_the_real_binding_reads_a_driver_library(tmp_path: Path, lost: bool) -> None:
    source_file = FIXTURES / "fake_nvml.c"
    built = tmp_path / nvidia.DRIVER_LIBRARY
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(built), str(source_file)], check=True)
    code = (
        "from trainer_core.accelerators.nvidia import NvidiaSource\n"
        "import dataclasses, json, os\n"
        "print(json.dumps([[dataclasses.asdict(d) for d in NvidiaSource().read()], os.getpid()]))"
    )
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    if lost:
        environment["LOST"] = "1"
    answer = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=True
    )
    (first, second), pid = json.loads(answer.stdout)
    assert first["uuid"] == "GPU-0000"
    assert first["memory_used_bytes"] == 600 * 2**20
    assert first["utilization_percent"] == 5
    assert first["memory_utilization_percent"] is None, "250 % is nonsense"
    assert first["power_watts"] is None, "this driver does not know the getter"
    assert first["location"] == "0000:3b:00.0"
    assert [process["pid"] for process in first["processes"]] == [pid]
    assert first["processes"][0]["memory_used_bytes"] == 5 * 2**30
    assert second["error"] == ("GPU 1 lost: GPU is lost" if lost else None)


def test_health_is_told_in_words_and_silence_is_unknown() -> None:
    """Idle and clocks set by the admin are no throttling; an old driver has the old name."""
    ill, well, mute = source(
        fake.gpu(
            0,
            nvmlDeviceGetTotalEccErrors=3,
            nvmlDeviceGetCurrentClocksEventReasons=0x04 | 0x40 | 0x01 | 0x02,
        ),
        fake.gpu(1, nvmlDeviceGetTotalEccErrors=0, nvmlDeviceGetCurrentClocksThrottleReasons=0x01),
        fake.gpu(
            2,
            nvmlDeviceGetTotalEccErrors=fake.NVMLError(3),
            nvmlDeviceGetCurrentClocksEventReasons="?",
        ),
    ).read()
    assert (ill.ecc_errors, ill.throttle_reasons) == (3, ("power limit", "too hot"))
    assert (well.ecc_errors, well.throttle_reasons) == (0, ())
    assert (mute.ecc_errors, mute.throttle_reasons) == (None, ())
    assert ill.memory_clock_mhz == 1980


def test_what_an_h100_answered_is_read_whole(tmp_path: Path) -> None:
    played = recorded.Player(FIXTURES / "nvml_h100.json")
    (device,) = NvidiaSource(nvml=played, sys_root=tmp_path).read()
    assert (device.name, device.driver_version) == ("NVIDIA H100 80GB HBM3", "580.159.04")
    assert (device.total_memory_bytes, device.memory_used_bytes) == (85520809984, 503316480)
    assert (device.temperature_celsius, device.memory_temperature_celsius) == (37, 40)
    assert (device.power_watts, device.power_limit_watts) == (72.538, 700)
    assert (device.clock_mhz, device.memory_clock_mhz) == (345, 2619)
    assert (device.ecc_errors, device.throttle_reasons) == (0, ()), "idle is no reason"
    assert (device.location, device.error) == ("0000:00:06.0", None)


def test_a_recording_plays_back_what_was_read(tmp_path: Path) -> None:
    split = fake.gpu(1, nvmlDeviceGetMigMode=[1, 1], slices=[{"nvmlDeviceGetUUID": "MIG-1"}])
    recorder = recorded.Recorder(fake.FakeDriver(fake.gpu(0), split))
    read = NvidiaSource(nvml=recorder, sys_root=tmp_path).read()
    path = tmp_path / "recording.json"
    path.write_text(json.dumps(recorder.answers))
    assert NvidiaSource(nvml=recorded.Player(path), sys_root=tmp_path).read() == read
    assert len(read) == 2
