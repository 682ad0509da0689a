"""Environment variables before XDG, XDG before the defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer_core import folders

NAMES = (
    "MOAI_TUI_HOME",
    "MOAI_TUI_RUNS",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_defaults_lie_below_home(tmp_path: Path) -> None:
    assert folders.state_root() == tmp_path / ".local/state/moai-tui"
    assert folders.runs_root() == tmp_path / ".local/state/moai-tui/runs"
    assert folders.cache_root() == tmp_path / ".cache/moai-tui"
    assert folders.config_root() == tmp_path / ".config/moai-tui"
    assert folders.data_root() == tmp_path / ".local/share/moai-tui"


def test_our_variables_win(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    assert folders.state_root() == Path("/elsewhere/moai-tui")
    monkeypatch.setenv("MOAI_TUI_HOME", "~/mine")
    assert folders.state_root() == tmp_path / "mine"
    monkeypatch.setenv("MOAI_TUI_RUNS", "/scratch/runs")
    assert folders.runs_root() == Path("/scratch/runs")


def test_a_relative_xdg_folder_is_ignored_as_the_standard_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert folders.cache_root() == tmp_path / ".cache/moai-tui"
