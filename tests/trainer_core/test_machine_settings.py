from __future__ import annotations

import pytest

from trainer_core import machine_settings as module
from trainer_core.accelerators.base import DeviceSnapshot, Size
from trainer_core.accelerators.binding import bind
from trainer_core.accelerators.inventory import Inventory, read_devices
from trainer_core.accelerators.sizes import most_allowed, why_not
from trainer_core.errors import ConfigError
from trainer_core.machine_settings import machine_settings
from trainer_core.run.config.time_limit import deadline

TEXT = """
limits:
  size: Medium
  time: 8h
  users:
    bob: {size: Large.320GB, time: 30m}
devices:
  never: [0, GPU-abcd]
storage:
  runs: /scratch
"""


@pytest.fixture
def settle(tmp_path, monkeypatch):
    """Write this machine's settings."""

    def write(text: str):
        path = tmp_path / "machine.yaml"
        path.write_text(text)
        monkeypatch.setattr(module, "SETTINGS_FILE", path)
        return path

    return write


def card(index: int, uuid: str = "") -> DeviceSnapshot:
    uuid = uuid or f"GPU-{index}"
    return DeviceSnapshot(uuid=uuid, index=index, kind="nvidia", name="H100 80GB")


def test_without_a_file_nothing_is_settled(tmp_path):
    assert machine_settings(tmp_path / "none.yaml") == module.MachineSettings()


def test_a_users_own_limits_stand_before_everybodys(settle):
    path = settle(TEXT)
    anyone, bob = machine_settings(user="eve"), machine_settings(path, "bob")
    assert (anyone.largest_size, anyone.time_limit) == ("Medium", "8h")
    assert (bob.largest_size, bob.time_limit) == ("Large.320GB", "30m")
    assert anyone.never == ("0", "GPU-abcd")
    assert dict(anyone.defaults) == {"storage": {"runs": "/scratch"}}


def test_the_largest_size_holds_for_menus_and_for_runs_and_says_who_set_it(settle):
    settle(TEXT)
    cards = tuple(card(index) for index in range(8))
    assert most_allowed() == 2
    reason = why_not(Size(devices=4, device_memory_gb=80), cards)
    assert reason == "is larger than Medium, set by this machine's settings"
    with pytest.raises(ConfigError, match="set by this machine's settings"):
        bind(Inventory(devices=cards), 4)
    with pytest.raises(ConfigError, match="at most Medium"):
        bind(Inventory(devices=cards), 0, ("0", "1", "2"))


def test_devices_that_are_never_offered_are_not_permitted(settle):
    settle(TEXT)
    found = read_devices(environ={}, scripted=(card(0), card(1), card(2, "GPU-abcdef")))
    assert [device.permitted for device in found.devices] == [False, True, False]
    assert "Devices 0, 2 not offered, set by this machine's settings" in found.notes


def test_the_shorter_time_limit_holds(settle):
    settle(TEXT)
    ours = deadline("1h", 100.0, {})
    theirs = deadline("2d", 100.0, {})
    assert ours is not None
    assert ours.at == 3700.0
    assert theirs is not None
    assert theirs.at == 100.0 + 8 * 3600
    assert theirs.words.endswith("set by this machine's settings,")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("limits: [\n", "none of this machine's settings hold"),
        ("- a\n", "use `key: value` lines"),
        ("limits: 3\n", "limits holds no names"),
        ("devices: {never: 0}\n", "never is no list"),
        ("limits: {size: Gigantic}\n", "is no size"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_sentence_and_sets_nothing(settle, text, words):
    settle(text)
    found = read_devices(environ={}, scripted=(card(0),))
    assert any(words in note for note in found.notes)
    assert found.devices[0].permitted
    assert most_allowed() is None
