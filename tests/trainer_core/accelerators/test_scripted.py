"""Devices from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer_core.accelerators.base import DeviceProcess, Framework
from trainer_core.accelerators.scripted import ScriptedSource
from trainer_core.errors import UserError

YAML = """
framework: {current: 24.5.0, latest: 24.6.0}
devices:
- {kind: nvidia, count: 2, total_memory_bytes: 85520809984, utilization_percent: 5}
- kind: amd
  uuid: GPU-x
  held_by: run-1
  processes: [{pid: 7, user: bob}]
"""


def test_entries_are_repeated_and_numbered(tmp_path: Path) -> None:
    path = tmp_path / "devices.yaml"
    path.write_text(YAML)
    source = ScriptedSource(path)
    devices = source.read()
    assert [device.index for device in devices] == [0, 1, 2]
    assert len({device.uuid for device in devices}) == 3
    assert devices[0].name == "NVIDIA H100 80GB HBM3"
    assert devices[2].processes == (DeviceProcess(pid=7, user="bob"),)
    assert source.framework == Framework(current="24.5.0", latest="24.6.0")
    assert source.why_absent() is None


def test_the_file_may_change_between_readings(tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    path.write_text('{"devices": [{"kind": "cpu"}]}')
    source = ScriptedSource(path)
    assert source.read()[0].uuid == "cpu-0"
    path.write_text('{"devices": []}')
    assert source.read() == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "no mapping"),
        ("{", "not YAML"),
        ("devices: 5", "no list `devices`"),
        ("devices: [5]", "no mapping"),
        ("devices: [{kind: tpu}]", "'tpu' is none of"),
        ("devices: [{memory: 5}]", "unknown field memory"),
        ("devices: [{processes: [{user: bob}]}]", "needs at least a `pid`"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "devices.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=words):
        ScriptedSource(path).read()


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        ScriptedSource(tmp_path / "none.yaml").read()
