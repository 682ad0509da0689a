"""Pictures are taken and compared only where they come out the same: pinned Textual and Python."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import textual

from tests.moai_tui import conftest as dashboard

ROOT = Path(__file__).parents[2]
PYTHON = (3, 11)
"""Unicode tables, and with them widths, differ between Pythons."""

own_folders, scripted_app = dashboard.own_folders, dashboard.scripted_app
frozen_clock, facts = dashboard.frozen_clock, dashboard.facts


def pinned_textual() -> str:
    found = re.search(r"^textual==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    return found[1] if found else "none"


def pytest_collection_modifyitems(config, items):
    """Skip pictures elsewhere; refuse to take new ones there."""
    if textual.__version__ == pinned_textual() and sys.version_info[:2] == PYTHON:
        return
    reason = f"pictures hold for Textual {pinned_textual()} and Python {PYTHON[0]}.{PYTHON[1]} only"
    if config.getoption("--snapshot-update", default=False):
        pytest.exit(f"no pictures are taken here: {reason}", returncode=2)
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def still(monkeypatch, frozen_clock):
    """The same host, no blinking, no terminal of the developer's."""
    monkeypatch.setattr("socket.gethostname", lambda: "gpu07")
    for name in ("NO_COLOR", "COLORTERM", "TEXTUAL_THEME"):
        monkeypatch.delenv(name, raising=False)
