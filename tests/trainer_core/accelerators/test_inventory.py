"""Every source is read, bounds and locks are applied, and each absence has its reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainer_core.accelerators import inventory
from trainer_core.accelerators.base import DeviceProcess, Framework
from trainer_core.accelerators.inventory import read_devices
from trainer_core.accelerators.locks import DeviceLocks
from trainer_core.errors import ConfigError, UserError

SUPERVISOR = """
import subprocess, sys
from trainer_core.accelerators.locks import DeviceLocks
DeviceLocks(sys.argv[1:], "run-a").acquire()
rank = [sys.executable, "-c", "import sys; print(1, flush=True); sys.stdin.read()"]
ranks = [subprocess.Popen(rank, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in "ab"]
print(*[(r.stdout.readline(), r.pid)[1] for r in ranks], flush=True)
sys.stdin.read()
for r in ranks:
    r.kill()
"""


class FixedSource:
    """A source that always sees the same."""

    def __init__(self, *devices, reason: str | None = None, framework=None) -> None:
        self.devices, self.reason, self.framework = devices, reason, framework

    def read(self):
        return self.devices

    def why_absent(self):
        return self.reason


@pytest.fixture
def sources(monkeypatch):
    def use(moai=None, *others) -> None:
        fixed = (moai or FixedSource(reason="MoAI: none"), others)
        monkeypatch.setattr(inventory, "_card_sources", lambda: fixed)

    return use


def test_a_host_without_cards_has_its_processor_and_the_reasons(sources) -> None:
    sources(None, FixedSource(reason="NVIDIA: no driver"))
    found = read_devices()
    assert [device.kind for device in found.devices] == ["cpu"]
    assert found.absent == ("MoAI: none", "NVIDIA: no driver")
    assert found.permitted == found.devices


def test_with_cards_the_processor_is_no_device(sources, card) -> None:
    sources(None, FixedSource(card(0), card(1)), FixedSource(card(0, uuid="x", kind="amd")))
    found = read_devices(environ={"CUDA_VISIBLE_DEVICES": "1"})
    assert [(d.index, d.kind, d.permitted) for d in found.devices] == [
        (0, "nvidia", False),
        (1, "nvidia", True),
        (2, "amd", False),
    ]
    assert found.notes[0] == "CUDA_VISIBLE_DEVICES=1 permits device 1 of 2"
    assert [device.index for device in found.permitted] == [1]


def test_on_a_moai_machine_nothing_else_is_looked_at(sources, card) -> None:
    versions = Framework(current="24.5.0")
    virtual = card(0, kind="moai", uuid="moai-0")
    sources(FixedSource(virtual, framework=versions), FixedSource(card(0)))
    found = read_devices()
    assert [device.uuid for device in found.devices] == ["moai-0"]
    assert found.framework == versions


def test_the_processor_can_be_split_and_then_cards_are_left_out(sources, card) -> None:
    sources(None, FixedSource(card(0)))
    found = read_devices(environ={"MOAI_TUI_CPU_DEVICES": "2"})
    assert [device.uuid for device in found.devices] == ["cpu-0", "cpu-1"]
    with pytest.raises(ConfigError, match="MOAI_TUI_CPU_DEVICES"):
        read_devices(environ={"MOAI_TUI_CPU_DEVICES": "many"})


def test_scripted_devices_come_from_the_file_named(tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    path.write_text('{"devices": [{"kind": "nvidia", "count": 8}], "framework": {"current": "1"}}')
    found = read_devices(environ={"MOAI_TUI_SCRIPTED_DEVICES": str(path)})
    assert len(found.devices) == 8
    assert found.framework == Framework(current="1")
    with pytest.raises(UserError, match="cannot be read"):
        read_devices(environ={"MOAI_TUI_SCRIPTED_DEVICES": str(tmp_path / "none")})


def test_a_lock_names_run_user_and_process(card) -> None:
    locks = DeviceLocks([card(1).uuid], "run-a")
    locks.acquire()
    free, held = read_devices(scripted=[card(0), card(1)]).devices
    locks.release()
    assert free.held_by is None
    assert (held.held_by, held.held_by_pid) == ("run-a", os.getpid())
    assert held.held_by_user


def test_the_ranks_of_a_run_are_its_devices_processes(card) -> None:
    cpus = [card(0, kind="cpu", uuid="cpu-0"), card(1, kind="cpu", uuid="cpu-1")]
    cards = [card(2, uuid="GPU-hidden"), card(3)]
    command = [sys.executable, "-c", SUPERVISOR, "cpu-0", "cpu-1", cards[1].uuid]
    supervisor = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert supervisor.stdout is not None
        ranks = [int(word) for word in supervisor.stdout.readline().split()]
        stranger = DeviceProcess(pid=1, user="root")
        mine = DeviceProcess(pid=ranks[0])
        seen = [*cpus, cards[0], card(3, processes=(mine, stranger))]
        found = read_devices(scripted=seen).devices
    finally:
        supervisor.communicate("")
    assert [device.processes[0].pid for device in found[:2]] == ranks
    assert all(device.processes[0].run_id == "run-a" for device in found[:2])
    assert all((device.processes[0].memory_used_bytes or 0) > 0 for device in found[:2])
    assert found[2].processes == ()
    assert [process.run_id for process in found[3].processes] == ["run-a", None]
