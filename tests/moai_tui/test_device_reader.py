from __future__ import annotations

import os
import signal
import sys
import threading
import time

import psutil
import pytest

from moai_tui import device_reader
from moai_tui.device_reader import DeviceReader, cards_may_be_here
from trainer_core.accelerators.base import DeviceSnapshot
from trainer_core.accelerators.inventory import Inventory
from trainer_core.accelerators.watch import encode

SCRIPT = "devices: [{kind: nvidia, count: 2, total_memory_bytes: 85520809984}]\n"


@pytest.fixture
def reader(monkeypatch):
    monkeypatch.setattr(device_reader, "RESTART_SECONDS", 0.1)
    found = DeviceReader(0.5)
    yield found
    found.stop()


def child_that(monkeypatch, code):
    """Put another program in the place of the reading child."""
    monkeypatch.setenv("MOAI_TUI_SCRIPTED_DEVICES", "anything")
    monkeypatch.setattr(
        "trainer_core.run.processes.process.core_command",
        lambda *arguments: [sys.executable, "-c", code],
    )


def a_line():
    device = DeviceSnapshot(uuid="GPU-7", index=0, kind="nvidia", name="card")
    return encode(Inventory(devices=(device,))).decode()


def test_the_cpu_is_read_right_here(reader, monkeypatch):
    monkeypatch.setenv("MOAI_TUI_CPU_DEVICES", "2")
    assert not cards_may_be_here()
    reading = next(reader.readings())
    assert [device.kind for device in reading.devices] == ["cpu", "cpu"]
    assert [row.current for row in reading.rows] == [True]
    assert reading.error is None
    assert reader._child is None


def test_cards_are_read_by_a_child_that_ends_with_us(reader, monkeypatch, tmp_path):
    script = tmp_path / "devices.yaml"
    script.write_text(SCRIPT)
    monkeypatch.setenv("MOAI_TUI_SCRIPTED_DEVICES", str(script))
    readings = reader.readings()
    reading = next(readings)
    assert [device.kind for device in reading.devices] == ["nvidia", "nvidia"]
    assert reading.rows[0].model == "Small.80GB"
    child = reader._child.pid
    reader.stop()
    assert list(readings) == []
    assert not psutil.pid_exists(child)


def test_a_driver_that_hangs_is_told_once_and_the_last_figures_stay(reader, monkeypatch):
    monkeypatch.setattr(device_reader, "DEADLINE_SECONDS", 0.2)
    child_that(monkeypatch, f"import time; print({a_line()!r}, flush=True); time.sleep(60)")
    readings = reader.readings()
    assert next(readings).error is None
    late = next(readings)
    assert late.error == "The driver does not answer; figures are old."
    assert [device.uuid for device in late.devices] == ["GPU-7"]
    more = []
    thread = threading.Thread(target=lambda: more.extend(readings), daemon=True)
    thread.start()
    time.sleep(1.2)
    assert more == [], "said once"
    reader.stop()
    thread.join(10)


def test_a_child_that_dies_is_told_and_started_again(reader, monkeypatch):
    child_that(
        monkeypatch,
        f"import sys; print({a_line()!r}, flush=True); sys.exit('driver \\x1b[31mgone')",
    )
    readings = reader.readings()
    assert next(readings).error is None
    assert next(readings).error == "driver ␛[31mgone"
    assert next(readings).error is None, "the next child"


def test_a_killed_child_has_no_last_word(reader, monkeypatch):
    child_that(monkeypatch, f"import time; print({a_line()!r}, flush=True); time.sleep(60)")
    readings = reader.readings()
    next(readings)
    os.kill(reader._child.pid, signal.SIGKILL)
    assert next(readings).error == "The devices' reader ended; it starts again."


def test_a_line_that_is_no_reading_is_told(reader, monkeypatch):
    child_that(monkeypatch, "print('hello', flush=True); import time; time.sleep(60)")
    assert "not understood" in next(reader.readings()).error


def test_a_broken_list_of_accelerators_keeps_the_devices(reader, monkeypatch, own_folders):
    monkeypatch.setenv("MOAI_TUI_CPU_DEVICES", "1")
    home = own_folders / "home"
    home.mkdir()
    (home / "accelerators.yaml").write_text("accelerators: [Huge]\n")
    reading = next(reader.readings())
    assert [device.kind for device in reading.devices] == ["cpu"]
    assert "accelerators.yaml" in reading.error
