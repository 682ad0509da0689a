"""Where things stand on disk: one place that knows the environment variables and XDG rules."""

from __future__ import annotations

import os
from pathlib import Path

APP = "moai-tui"


def _base(variable: str, fallback: str) -> Path:
    value = os.environ.get(variable)
    return Path(value) if value and Path(value).is_absolute() else Path.home() / fallback


def state_root() -> Path:
    """Return the folder of accelerators, the run index and runs: `MOAI_TUI_HOME` or XDG state."""
    home = os.environ.get("MOAI_TUI_HOME")
    return Path(home).expanduser() if home else _base("XDG_STATE_HOME", ".local/state") / APP


def runs_root() -> Path:
    """Return the folder new run folders are made in: `MOAI_TUI_RUNS`, else below the state root."""
    runs = os.environ.get("MOAI_TUI_RUNS")
    return Path(runs).expanduser() if runs else state_root() / "runs"


def cache_root() -> Path:
    """Return the folder of tokenised rows and compiled kernels; safe to delete."""
    return _base("XDG_CACHE_HOME", ".cache") / APP


def config_root() -> Path:
    """Return the folder of the user's settings."""
    return _base("XDG_CONFIG_HOME", ".config") / APP


def data_root() -> Path:
    """Return the folder of the user's themes."""
    return _base("XDG_DATA_HOME", ".local/share") / APP
